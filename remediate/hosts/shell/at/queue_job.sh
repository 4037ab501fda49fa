# shellcheck shell=sh
# Queues a job with at: $1 queue, $2 job, $3 minutes from now, $4 PATH, $5 HOME. at prints its result on standard error.
# A job keeps the environment in which it was queued, so only these variables are set. at prints dates in the locale.
# shellcheck disable=SC2154,SC2034 # variables are shared with the scripts before and after this one
cd / && umask 077
printf '%s\n' "$2" | env -i PATH="$4" HOME="$5" LC_ALL=C at -q "$1" now + "$3" minutes 2>&1
