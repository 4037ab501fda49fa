# shellcheck shell=sh
# shellcheck disable=SC2154,SC2034,SC2329 # variables and functions are shared with the scripts before and after this one
# Destroys the keys of version $2 in directory $1; fails if the version is in use. The other arguments are paths and
# parts.
# Runs after common/lock.sh and deployment/version_files.sh.
folder=$root/$case/$1 name=$2
shift 2
cd "$folder" || exit 0
[ "$(readlink "$folder/live")" != "$name" ] || fail 65 "version $name is in use"
destroy_key() {
  case $2 in *k*) [ ! -e "$folder/$name$1" ] || destroy_file "$folder/$name$1" ;; esac
}
for_each destroy_key $(($# / 2)) "$@"
