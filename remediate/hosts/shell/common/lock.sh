# shellcheck shell=sh
# shellcheck disable=SC2154,SC2034,SC2329 # variables and functions are shared with the scripts before and after this one
# Takes the lock of the host (descriptor 9), or ends with status 75. Every script that changes something runs after
# this. A command that only tests the lock holds it for a moment, so the lock is tried several times. On a full disk the
# shell reports only "I/O error", so this adds which file system is full. Runs after common/workdir.sh.
set -eu
full() {
  # shellcheck disable=SC2046 # df's fields are words
  set -- $(df -Pk "$root" 2>/dev/null | tail -n 1)
  [ "${4:-}" != 0 ] || echo "the file system of $root is full: ${6:-} (${1:-})" >&2
}
trap 'status=$?; [ "$status" = 0 ] || full; exit "$status"' EXIT
command -v flock >/dev/null || fail 69 "flock (util-linux) is not installed on the host: nothing can be locked"
[ -d "$root" ] || make_directory 711 "$root"
trusted_path "$root" && [ ! -L "$root" ] || fail 77 "$root is not used: ${why:-it is a symbolic link}"
[ -d "$root/$case" ] || make_directory 711 "$root/$case"
open_lock "$root/lock"
for attempt in 1 2 3 4 5 6; do
  flock -n 9 && break
  [ "$attempt" -lt 6 ] || { echo "locked $(cat "$root/lock")"; exit 75; }
  sleep 0.2 2>/dev/null || sleep 1
done
printf '%s %s %s\n' "$(date +%s)" "$case" "$owner" | rewrite_file "$root/lock"
