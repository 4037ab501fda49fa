# shellcheck shell=sh
# shellcheck disable=SC2154,SC2034,SC2329 # variables and functions are shared with the scripts before and after this one
# Keeps the files at the configured paths as a version: version 0, or another one if another party has changed the files
# since. No configured path is changed. Runs after the functions of a deployment.
keep_current_files() {
  ! holds_known_version "$@" || return 0
  old=$folder/0
  [ ! -e "$old" ] || old=$folder/0-$(date +%s)-$$
  discard_parts
  make_directory 700 "$old.part" && keep_copy "$@" || return 1
  durable "$folder"
  rename_file "$old.part" "$old"
  point_link "$folder/proven" "${old##*/}"
  point_link "$folder/live" "${old##*/}"
  [ ! -L "$folder/moving" ] || remove_file "$folder/moving"
}
discard_parts() {
  for part in "$folder"/*.part; do [ ! -e "$part" ] || remove_tree "$part"; done
}
