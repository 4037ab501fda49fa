# shellcheck shell=sh
# shellcheck disable=SC2154,SC2034,SC2329 # variables and functions are shared with the scripts before and after this one
# Prints the paths that another party has changed. Prepended: common/workdir.sh, the shell of a deployment.
folder=$root/$case/$1
cd "$folder" 2>/dev/null || :
shift
print_changed() { is_unchanged "$1" "$2" || printf '%s\n' "$1"; }
for_each print_changed $(($# / 2)) "$@"
