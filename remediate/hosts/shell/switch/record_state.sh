# shellcheck shell=sh
# shellcheck disable=SC2154,SC2034,SC2329 # variables and functions are shared with the scripts before and after this one
# Records the states of a switch. $folder is the directory of the files, $name the version.
record_event() { printf '%s %s %s %s\n' "$(date +%s)" "$name" "$1" "$2" | append_file "$folder/state" || :; }
mark_proven() {
  [ "$(readlink "$folder/proven")" != "$1" ] || return 0
  point_link "$folder/before" "$(readlink "$folder/proven")"
  point_link "$folder/proven" "$1"
}
last_state() { tail -n 1 "$folder/state" | { read -r _ version state _ && echo "$version $state"; }; }
