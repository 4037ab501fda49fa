# shellcheck shell=sh
# shellcheck disable=SC2154,SC2034,SC2329 # variables and functions are shared with the scripts before and after this one
# Files of versions and files at configured paths. Prepended: the functions of trust/, common/workdir.sh, key/verify_key_matches.sh.
# Versions lie in directories that root alone can enter; a file of version V for the path P is V followed by P, with the
# owner, mode, ACL, label and other attributes that it has at P. A file in a directory of another user is only ever read
# and written with the rights of that user, and of its attributes only the mode is kept.

# can_reach PATH: root alone decides which file the path names; its content may be another user's. Sets $real.
can_reach() {
  if [ -L "$1" ]; then
    trusted_path "$1"
    return
  fi
  trusted_path "${1%/*}" && real=${real%/}/${1##*/}
}
# content_of PATH: prints a regular file, at most 1 MB.
content_of() {
  if can_reach "$1"; then [ -f "$real" ] && head -c 1048576 "$real"; else owner_reads "$1" 1048576; fi
}
# same_as FILE PATH: whether a file of a version and a path hold the same, or neither exists.
same_as() {
  if [ ! -e "$1" ]; then
    [ ! -e "$2" ]
    return
  fi
  [ -e "$2" ] || return 1
  if can_reach "$2"; then [ -f "$real" ] && same_content "$1" "$real"
  else [ "$(digest <"$1")" = "$(owner_reads "$2" 1048576 | digest)" ]
  fi
}
# mode_of PATH: the mode without setuid, setgid and sticky bit.
mode_of() {
  set -- "$(stat -L -c %a "$1")"
  echo "${1#"${1%???}"}"
}
# make_way FILE MODE: makes the directories that lead to a file.
make_way() {
  way=${1%/*}
  [ ! -d "$way" ] || return 0
  set -- "$2" "$way"
  while [ ! -d "${2%/*}" ] && [ -n "${2%/*}" ]; do set -- "$1" "${2%/*}" "$@"; done
  while [ $# -gt 1 ]; do
    [ -d "$2" ] || make_directory "$1" "$2" || return 1
    shift 2
  done
}
# narrow FILE PARTS: a key is readable by its owner and its group at most, and writable by its owner alone.
narrow() {
  case $2 in *k*) change_mode "$(printf %03o $((0$(mode_of "$1") & 0640)))" "$1" ;; esac
}
# take_away PATH: removes a file.
take_away() {
  if trusted_path "${1%/*}"; then remove_file "$1"; else take_away_as_owner "$1"; fi
}
take_away_as_owner() {
  # shellcheck disable=SC2016 # the owner's shell expands $1
  as_owner "${1%/*}" 'remove_file "$1"' "$1" </dev/null
}
# take_copy PATH FILE: lays a copy of what is at a path into a version; it may not exist.
take_copy() {
  [ -e "$1" ] || return 0
  make_way "$2" 700 || return 1
  if can_reach "$1"; then copy_file "$real" "$2"
  else content_of "$1" | write_file "$(mode_of "$1")" "$2"
  fi || return 1
  same_as "$2" "$1" || { echo "$1 was changed by another process at this moment" >&2; return 75; }
}
