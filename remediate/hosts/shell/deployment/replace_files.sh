# shellcheck shell=sh
# shellcheck disable=SC2154,SC2034,SC2329 # variables and functions are shared with the scripts before and after this one
# The functions of the deployment for files. Each new file is prepared next to the old one, and then all are renamed,
# one directly after the other. $folder is the directory of the files. Runs after deployment/version_files.sh.
# During the renames the link `moving` names the new version. If the link exists and the lock is free, the renames were
# interrupted; the next script with the lock completes or reverts them. New files are prepared in a directory whose name
# contains `token`, so one program renames all files of a directory.

# holds VERSION COUNT PATH PARTS …: returns whether the paths hold a version.
holds() {
  held=$folder/$1
  shift
  for_each holds_file "$@"
}
holds_file() { same_as "$held$1" "$1"; }
is_unchanged() { [ -L "$folder/live" ] && same_as "$folder/$(readlink "$folder/live")$1" "$1"; }
version_in_use() { [ -L "$folder/moving" ] || readlink "$folder/live"; }
holds_known_version() {
  [ -L "$folder/live" ] && [ -L "$folder/proven" ] || return 1
  if [ -L "$folder/moving" ]; then for_each is_known "$@"
  else holds "$(readlink "$folder/live")" "$@" || holds "$(readlink "$folder/proven")" "$@"
  fi
}
is_known() {
  for link in moving live proven; do
    ! same_as "$folder/$(readlink "$folder/$link")$1" "$1" || return 0
  done
  return 1
}
keep_copy() { for_each keep_file "$@"; }
keep_file() { copy_configured "$1" "$old.part$1"; }

# activate VERSION COUNT PATH PARTS …: brings a version to the paths; stores in $reason why it failed.
activate() {
  to=$folder/$1
  shift
  discard_prepared "$@"
  token=$(od -An -N8 -tx1 /dev/urandom | tr -d ' \n')
  echo "$token" | write_file 600 "$folder/token" || { reason="$folder cannot be written to"; return 1; }
  reason=$(prepare_all "$@" 2>&1) || { discard_prepared "$@"; return 1; }
  point_link "$folder/moving" "${to##*/}" || { reason="$folder cannot be written to"; return 1; }
  durable "$folder"
  reason=$(exchange "$@" 2>&1) || return 1
  durable "$folder"
  discard_prepared "$@"
  point_link "$folder/live" "${to##*/}" && remove_file "$folder/moving" && return
  reason="$folder cannot be written to"
  return 1
}
prepare_all() {
  for_each prepare "$@"
}
prepare() {
  temporary=${1%/*}/.sslaudit-$token/${1##*/}
  [ -e "$to$1" ] && ! is_mounted "$1" && ! is_in_place "$1" || return 0
  make_parents "$1" 755 || return 1
  if trusted_path "${1%/*}"; then make_directory 700 "${temporary%/*}" && copy_file "$to$1" "$temporary"
  else prepare_as_owner "$1"
  fi || return 1
  same_as "$to$1" "$temporary" || { echo "$temporary does not hold what was written to it" >&2; return 1; }
}
# A switch that failed halfway is reverted also where a directory cannot be written any more: a file that has the content
# and the mode of its version is left as it is.
is_in_place() { same_as "$to$1" "$1" && { [ ! -e "$1" ] || [ "$(mode_of "$to$1")" = "$(mode_of "$1")" ]; }; }
prepare_as_owner() {
  is_its_owners "$1" || return 1
  # shellcheck disable=SC2002,SC2016 # the owner is given a pipe and not our file; its shell expands them
  cat "$to$1" | as_owner "${1%/*}" 'make_directory 700 "${2%/*}" && new_file_like "$1" "$2" "$3"' \
    "$1" "$temporary" "$(mode_of "$to$1")"
}
# In another user's directory only files of that user are replaced. Otherwise a user who could not read the old key
# could read the new one.
is_its_owners() {
  owner_of "${1%/*}" || { echo "$why" >&2; return 1; }
  [ "$owner_uid" != "$(id -u)" ] || { trusted_path "${1%/*}" || echo "$why" >&2; return 1; }
  [ -e "$1" ] || { echo "$1 does not exist, and its directory belongs to uid $owner_uid" >&2; return 1; }
  [ "$(stat -L -c %u "$1")" != "$owner_uid" ] || return 0
  echo "$1 belongs to uid $(stat -L -c %u "$1"), but its directory to uid $owner_uid" >&2
  return 1
}
is_mounted() {
  while read -r _ _ _ _ point _; do
    case $point in *\\*) point=$(printf '%b' "$point") ;; esac
    [ "$point" != "$1" ] || return 0
  done </proc/self/mountinfo
  return 1
}
# Renames the files of root first, with no other command between them; then replaces the files that need more.
exchange() {
  left=$1 number=0 others=
  shift
  rest=$(($# - 2 * left))
  while [ "$left" -gt 0 ]; do
    number=$((number + 1)) left=$((left - 1)) temporary=${1%/*}/.sslaudit-$token/${1##*/}
    { [ -e "$temporary" ] && trusted_path "${1%/*}"; } || others="$others $number"
    set -- "$@" "$temporary" "$1"
    shift 2
  done
  shift "$rest"
  exchange_plain "$@" || return 1
  exchange_others "$@"
}
exchange_plain() {
  number=0 left=$(($# / 2))
  while [ "$left" -gt 0 ]; do
    number=$((number + 1)) left=$((left - 1))
    case " $others " in *" $number "*) ;; *) set -- "$@" "$1" "$2" ;; esac
    shift 2
  done
  [ $# = 0 ] || rename_files "$@"
}
exchange_others() {
  number=0
  while [ $# -gt 0 ]; do
    number=$((number + 1))
    case " $others " in *" $number "*) exchange_one "$1" "$2" || return 1 ;; esac
    shift 2
  done
}
exchange_one() {
  if is_in_place "$2"; then :
  elif [ ! -e "$to$2" ]; then [ ! -e "$2" ] || remove_configured "$2"
  elif [ -e "$1" ]; then exchange_as_owner "$1" "$2"
  elif can_reach "$2"; then
    target=$real
    copy_attributes "$to$2" "$target" && rewrite_file "$target" <"$to$2"
  else
    echo "$why" >&2
    return 1
  fi
}
exchange_as_owner() {
  # shellcheck disable=SC2016 # the owner's shell expands them
  as_owner "${2%/*}" 'rename_file "$1" "$2"' "$1" "$2" </dev/null
}
# Removes what was prepared under this token, or under an earlier one, and was not renamed.
discard_prepared() {
  [ -e "$folder/token" ] || return 0
  token=$(cat "$folder/token")
  for_each discard_beside "$@" || :
  remove_file "$folder/token"
}
discard_beside() {
  prepared=${1%/*}/.sslaudit-$token
  [ ! -e "$prepared" ] || discard_tree "$prepared" 2>/dev/null || :
}
discard_tree() {
  # shellcheck disable=SC2016 # the owner's shell expands $1
  if trusted_path "${1%/*}"; then remove_tree "$1"; else as_owner "${1%/*}" 'remove_tree "$1"' "$1" </dev/null; fi
}
revert() { activate "$(readlink "$folder/way-back")" "$@" && remove_file "$folder/way-back"; }
is_untouched() {
  [ ! -L "$folder/moving" ] || return 1
  if [ -L "$folder/way-back" ]; then holds "$(readlink "$folder/way-back")" "$@"; else holds "$name" "$@"; fi
}
recover() { [ ! -L "$folder/moving" ] || activate "$(readlink "$folder/proven")" "$@"; }
