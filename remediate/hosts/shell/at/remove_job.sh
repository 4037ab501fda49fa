# shellcheck shell=sh
# Takes job $1 out of atd's queue.
# shellcheck disable=SC2154,SC2034 # variables are shared with the scripts before and after this one
atrm "$1"
