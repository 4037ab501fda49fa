# shellcheck shell=sh
# Sets the modes of key files: path and mode in turn; `closed` takes from a file what others can do with it, and from its
# group the writing. A file is changed where root alone can replace it, or with the rights of its directory's owner.
# shellcheck disable=SC2154,SC2034 # variables are shared with the scripts before and after this one
closed_mode() { printf "%o" $((0$(stat -c %a -- "$1") & 0750)); }
set_mode() {
  trusted_path "$1" || { set_mode_as_owner "$@"; return; }
  [ -z "$missing" ] || fail 66 "$1 is not there"
  mode=$2 at=$real
  [ "$mode" != closed ] || mode=$(closed_mode "$at")
  change_mode "$(printf "%03o" "0$mode")" "$at"
}
set_mode_as_owner() {
  refusal=$why mode=$2
  [ "$mode" != closed ] || mode=$(closed_mode "$1")
  # shellcheck disable=SC2016 # the owner's shell expands it
  said=$(as_owner "${1%/*}" 'change_mode "$1" "$2"' "$(printf "%03o" "0$mode")" "$1" 2>&1) ||
    fail 77 "the mode of $1 is left as it is: $refusal; with the rights of its directory's owner: $said"
}
while [ $# -gt 0 ]; do
  set_mode "$1" "$2"
  shift 2
done
