# shellcheck shell=sh
# shellcheck disable=SC2154,SC2034,SC2329 # variables and functions are shared with the scripts before and after this one
# For the cases named, or for all, makes every link of an earlier version of this program a file again; prints each path,
# and each directory in which a switch was interrupted. Versions of the cases named may be tried again. Prepended: common/lock.sh, deployment/version_files.sh, deployment/restore_links.sh.
status=0 named=$#
[ $# -gt 0 ] || for each in "$root"/*/; do
  each=${each%/}
  [ ! -d "$each" ] || [ -L "$each" ] || set -- "$@" "${each##*/}"
done
for each in "$@"; do
  for own in "$root/$each"/*/; do
    own=${own%/}
    [ -d "$own" ] && [ ! -L "$own" ] || continue
    [ "$named" = 0 ] || for mark in "$own"/rejected.*; do [ ! -e "$mark" ] || remove_file "$mark"; done
    [ -L "$own/live" ] || continue
    release_folder "$own" || { status=1; echo "$own: ${why:-not all of it could be released}" >&2; }
  done
done
remove_directory "$root/$case" 2>/dev/null || : # made for the lock
[ "$status" = 0 ] || exit 1
