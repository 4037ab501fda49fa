# shellcheck shell=sh
# shellcheck disable=SC2154,SC2034,SC2329 # variables and functions are shared with the scripts before and after this one
# Prints where a switch is. In this order: if the lock is free before a state that is not final is read, no script is at
# work. Prepended: common/workdir.sh, the shell of a deployment.
print_progress() {
  echo "now $(date +%s)"
  if flock -n "$root/lock" true; then echo "lock free"; else echo "lock $(cat "$root/lock")"; fi
  [ ! -e "$folder/state" ] || tail -n 50 "$folder/state" | sed "s/^/state /"
  for mark in "$folder"/rejected.*; do [ ! -e "$mark" ] || echo "rejected ${mark##*/rejected.}"; done
  for version in "$folder"/*/; do
    version=${version%/}
    case $version in *.part | *"/*") continue ;; esac
    [ -L "$version" ] || echo "staged ${version##*/}"
  done
  echo "live $(version_in_use "$@")"
  for link in proven before; do echo "$link $(readlink "$folder/$link")"; done
}
