# shellcheck shell=sh
# shellcheck disable=SC2154,SC2034,SC2329 # variables and functions are shared with the scripts before and after this one
# After a crash of the host in the middle of a switch: restores the files of before where the renames were interrupted,
# because no service starts with one file of each version, and starts the units that served before. Prints each path
# that was restored and each unit that was started. Runs after common/lock.sh, the functions of a deployment and
# switch/record_state.sh.

# restore_paths: for the paths that the switch noted in $folder/paths, NUL after each; one with a line break is left alone.
restore_paths() {
  [ -L "$folder/moving" ] || return 0
  name=$(readlink "$folder/moving")
  count=$(tr -cd '\000' <"$folder/paths" | wc -c)
  [ "$count" -gt 0 ] && [ "$(tr '\000' '\n' <"$folder/paths" | wc -l)" -eq "$count" ] || return 1
  set -f
  IFS='
'
  # shellcheck disable=SC2046 # a path a line
  set -- $(tr '\000' '\n' <"$folder/paths")
  unset IFS
  set +f
  for path in "$@"; do
    set -- "$@" "$path" -
    shift
  done
  recover "$count" "$@" || return 1
  remove_file "$folder/way-back"
  record_event returned "after a crash of the host"
  for path in "$@"; do [ "$path" = - ] || printf 'restored %s\n' "$path" | tr -c '[:print:]\n' '?'; done
}
# start_noted: starts each unit that a switch noted and that does not run.
start_noted() {
  for noted in "$folder"/units.*; do
    [ -f "$noted" ] || continue
    grep -E '^[A-Za-z0-9:_.@\-]+[.]service$' <"$noted" | while IFS= read -r unit; do
      ! $limit systemctl is-active --quiet -- "$unit" </dev/null 2>/dev/null || continue
      $limit systemctl reset-failed -- "$unit" </dev/null 2>/dev/null || :
      if $limit systemctl start -- "$unit" </dev/null; then echo "started $unit"; else echo "failed $unit"; fi
    done
  done
}
set_limit 60
for own in "$root/$case"/*/; do
  folder=${own%/}
  [ -L "$folder/live" ] && [ ! -L "$folder" ] || continue
  cd "$folder" || continue
  restore_paths || { echo "failed $folder"; continue; }
  start_noted
done
