# shellcheck shell=sh
# shellcheck disable=SC2154,SC2034,SC2329 # variables and functions are shared with the scripts before and after this one
# What a switch notes of itself. In $folder: the directory of these files, in $name: the version.
say() { printf '%s %s %s %s\n' "$(date +%s)" "$name" "$1" "$2" | append_file "$folder/state" || :; }
prove() {
  [ "$(readlink "$folder/proven")" != "$1" ] || return 0
  point_link "$folder/before" "$(readlink "$folder/proven")"
  point_link "$folder/proven" "$1"
}
last_state() { tail -n 1 "$folder/state" | cut -d ' ' -f 2,3; }
