# shellcheck shell=sh
# shellcheck disable=SC2154,SC2034,SC2329 # variables and functions are shared with the scripts before and after this one
# What is found at the paths now is the truth: it becomes version 0, or one more of that kind if another party has
# changed them since. No configured path is changed. Prepended: the shell of a deployment.
adopt() {
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
