# shellcheck shell=sh
# shellcheck disable=SC2154,SC2034,SC2329 # variables and functions are shared with the scripts before and after this one
# Prints the progress of the switch in directory $1. Runs after switch/print_progress.sh.
folder=$root/$case/$1
cd "$folder" 2>/dev/null || { echo "lock free"; exit 0; }
shift
print_progress "$@"
