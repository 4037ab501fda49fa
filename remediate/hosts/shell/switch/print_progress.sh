# shellcheck shell=sh
# shellcheck disable=SC2154,SC2034,SC2329 # variables and functions are shared with the scripts before and after this one
# Prints the progress of a switch. The lock is read before the state: if the lock is free and the state is not final, no
# script is running. Runs after common/workdir.sh and the functions of a deployment.
print_progress() {
  echo "now $(date +%s)"
  if flock -n "$root/lock" true; then echo "lock free"; else echo "lock $(cat "$root/lock")"; fi
  [ ! -e "$folder/state" ] || tail -n 50 "$folder/state" | while IFS= read -r line; do printf 'state %s\n' "$line"; done
  for mark in "$folder"/rejected.*; do [ ! -e "$mark" ] || echo "rejected ${mark##*/rejected.}"; done
  for version in "$folder"/*/; do
    version=${version%/}
    case $version in *.part | *"/*") continue ;; esac
    [ -L "$version" ] || echo "staged ${version##*/}"
  done
  echo "live $(version_in_use "$@")"
  for link in proven before; do echo "$link $(readlink "$folder/$link")"; done
}
