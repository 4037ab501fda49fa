# shellcheck shell=sh
# Sets the modes of key files: path and mode in turn. `closed` removes the rights of others and the right of the group
# to write. A file that only root can replace is changed by root, any other with the rights of its directory's owner.
# shellcheck disable=SC2154,SC2034 # variables are shared with the scripts before and after this one
closed_mode() { printf "%o" $((0$(stat -c %a -- "$1") & 0750)); }
# Sets $at to the file that a path leads to, if only root can change each link. Others may write the file itself.
follow() {
  at=$1 links=0
  while [ -L "$at" ]; do
    trusted_path "${at%/*}" || return 1
    links=$((links + 1))
    [ "$links" -le 8 ] || fail 65 "$1 leads through more than 8 symbolic links"
    target=$(readlink -- "$at")
    case $target in /*) at=$target ;; *) at=${at%/*}/$target ;; esac
  done
  trusted_path "${at%/*}"
}
set_mode() {
  follow "$1" || { set_mode_as_owner "$@"; return; }
  [ -f "$at" ] || fail 66 "$1 is not a regular file"
  mode=$2
  [ "$mode" != closed ] || mode=$(closed_mode "$at")
  change_mode "$(printf "%03o" "0$mode")" "$at"
}
set_mode_as_owner() {
  refusal=$why mode=$2
  [ "$mode" != closed ] || mode=$(closed_mode "$1")
  # shellcheck disable=SC2016 # the owner's shell expands it
  output=$(as_owner "${1%/*}" 'change_mode "$1" "$2"' "$(printf "%03o" "0$mode")" "$1" 2>&1) ||
    fail 77 "the mode of $1 is left as it is: $refusal; with the rights of its directory's owner: $output"
}
while [ $# -gt 0 ]; do
  set_mode "$1" "$2"
  shift 2
done
