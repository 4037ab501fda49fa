# shellcheck shell=sh
# Removes job $1 from atd's queue.
# shellcheck disable=SC2154,SC2034 # variables are shared with the scripts before and after this one
atrm "$1"
