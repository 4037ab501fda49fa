# shellcheck shell=sh
# shellcheck disable=SC2154,SC2034,SC2329 # variables and functions are shared with the scripts before and after this one
# Replaces links of earlier versions of this program by files, for the cases in $@ or for all. Prints each path, and
# each directory in which a switch was interrupted. Rejected versions of the cases in $@ may be tried again.
# Runs after common/lock.sh, deployment/version_files.sh and deployment/restore_links.sh.
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
