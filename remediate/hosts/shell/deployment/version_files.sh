# shellcheck shell=sh
# shellcheck disable=SC2154,SC2034,SC2329 # variables and functions are shared with the scripts before and after this one
# Reads and writes files of versions and files at configured paths. Version V keeps the file for path P at V followed by
# P, with the owner, mode, ACL, security label and other attributes of P. Only root can enter the directories of
# versions. A file in another user's directory is read and written only with the rights of that user, and only its mode
# is kept.
# Runs after the functions of trust/, common/workdir.sh and key/verify_key_matches.sh.

# can_reach PATH: returns whether only root decides which file the path names, and sets $real. Others may write the
# file.
can_reach() {
  if [ -L "$1" ]; then
    trusted_path "$1"
    return
  fi
  trusted_path "${1%/*}" && real=${real%/}/${1##*/}
}
# content_of PATH: prints a regular file, at most 1 MiB.
content_of() {
  if can_reach "$1"; then [ -f "$real" ] && head -c 1048576 "$real"; else owner_reads "$1" 1048576; fi
}
# same_as FILE PATH: returns whether a file of a version and a path have the same content, or neither exists.
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
# mode_of PATH: prints the mode without the setuid, setgid and sticky bits.
mode_of() {
  set -- "$(stat -L -c %a "$1")"
  echo "${1#"${1%???}"}"
}
# make_parents FILE MODE: makes the missing directories above a file.
make_parents() {
  parent=${1%/*}
  [ ! -d "$parent" ] || return 0
  set -- "$2" "$parent"
  while [ ! -d "${2%/*}" ] && [ -n "${2%/*}" ]; do set -- "$1" "${2%/*}" "$@"; done
  while [ $# -gt 1 ]; do
    [ -d "$2" ] || make_directory "$1" "$2" || return 1
    shift 2
  done
}
# restrict_key FILE PARTS: lets only owner and group read a key, and only its owner write it.
restrict_key() {
  case $2 in *k*) change_mode "$(printf %03o $((0$(mode_of "$1") & 0640)))" "$1" ;; esac
}
# remove_configured PATH: removes the file at a configured path.
remove_configured() {
  if trusted_path "${1%/*}"; then remove_file "$1"; else remove_as_owner "$1"; fi
}
remove_as_owner() {
  # shellcheck disable=SC2016 # the owner's shell expands $1
  as_owner "${1%/*}" 'remove_file "$1"' "$1" </dev/null
}
# copy_configured PATH FILE: copies the file at a configured path, if it exists, into a version.
copy_configured() {
  [ -e "$1" ] || return 0
  make_parents "$2" 700 || return 1
  if can_reach "$1"; then copy_file "$real" "$2"
  else content_of "$1" | write_file "$(mode_of "$1")" "$2"
  fi || return 1
  same_as "$2" "$1" || { echo "$1 was changed by another process at this moment" >&2; return 75; }
}
