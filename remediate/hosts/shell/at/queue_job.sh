# shellcheck shell=sh
# Queues a job: $1 the queue, $2 the job, $3 in how many minutes, $4 PATH, $5 HOME. at prints on standard error.
# The date in its words is written as the locale has it. A job holds the whole environment it was queued with: none.
# shellcheck disable=SC2154,SC2034 # variables are shared with the scripts before and after this one
cd / && umask 077
printf '%s\n' "$2" | env -i PATH="$4" HOME="$5" LC_ALL=C at -q "$1" now + "$3" minutes 2>&1
