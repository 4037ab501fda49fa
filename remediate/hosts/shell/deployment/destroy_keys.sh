# shellcheck shell=sh
# shellcheck disable=SC2154,SC2034,SC2329 # variables and functions are shared with the scripts before and after this one
# Destroys the keys of a version that is not in use. Prepended: common/lock.sh, deployment/version_files.sh.
folder=$root/$case/$1 name=$2
shift 2
cd "$folder" || exit 0
[ "$(readlink "$folder/live")" != "$name" ] || fail 65 "version $name is in use"
destroy_key() {
  case $2 in *k*) [ ! -e "$folder/$name$1" ] || destroy_file "$folder/$name$1" ;; esac
}
for_each destroy_key $(($# / 2)) "$@"
