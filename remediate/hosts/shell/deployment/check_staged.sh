# shellcheck shell=sh
# Says whether version $2 of the files in directory $1 of the case is staged.
# shellcheck disable=SC2154,SC2034 # variables are shared with the scripts before and after this one
[ ! -d "$root/$case/$1/$2" ] || echo "there"
