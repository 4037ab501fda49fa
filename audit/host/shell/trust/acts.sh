# shellcheck shell=sh disable=SC2034,SC2154  # variables are shared with the files of trust/ and the scripts that follow
# The verbs that change files, alone and together, and trees. They follow processes.sh.

t_octal() {
  case $1 in
  [0-7][0-7][0-7] | 0[0-7][0-7][0-7]) ;;
  *) t_refuse "$1 is not a valid mode" ;;
  esac
}

# t_place new|old PATH: sets $t_at to PATH with its directory resolved, if root alone can change what is in that directory.
t_place() {
  t_base=${2##*/} t_up=${2%/*}
  case $t_base in
  '' | . | ..) t_refuse "$2 does not name a file" || return 77 ;;
  esac
  case $2 in
  /*) ;;
  *) t_refuse "$2 is not an absolute path" || return 77 ;;
  esac
  if [ -n "$t_owner_mode" ]; then
    t_at=$2
    [ -d "$t_up/" ] || t_refuse "$2: its directory does not exist" || return 77
    return 0
  fi
  t_want=$2 t_how=$1
  trusted_path "${t_up:-/}" || t_refuse "$t_want is left as it is: $why" || return 77
  [ "$kind,$missing" = directory, ] || t_refuse "$t_want: its directory does not exist" || return 77
  t_folder=${real%/} t_sticky=$t_open
  if [ -n "$t_sticky" ]; then
    [ "$t_how" = old ] || t_refuse "$t_want is left as it is: every user can make a name in $t_sticky" || return 77
    if [ ! -L "$t_folder/$t_base" ]; then
      trusted_path "$t_folder/$t_base" || t_refuse "$t_want is left as it is: $why" || return 77
    fi
  fi
  t_at=$t_folder/$t_base
}

t_not_link() {
  [ ! -L "$1" ] || t_refuse "$1 is left as it is: it is a symbolic link"
}

# Prints a random name beside PATH. No other process can guess it, so with noclobber no link can be there before us.
t_beside() { mktemp -u "${1%/*}/.${t_name_of_temp:-sslaudit}.XXXXXXXXXX"; }

# Renames over a path that is not a directory. With -T a link to a directory is replaced and not entered.
t_rename() {
  mv -fT -- "$1" "$2" 2>/dev/null && return 0
  [ ! -d "$2" ] || t_refuse "$2 is a directory" || return 77
  mv -f -- "$1" "$2"
}

# t_create MODE TEMP: makes a new file, sets its mode, then writes standard input to it.
t_create() (
  set -C
  if [ -n "$t_owner_mode" ]; then
    # no chmod by name: others may write in the directory too
    umask "$(printf %o $((0777 & ~0$1)))"
    exec 3>"$2" || exit 77
  else
    umask 077
    exec 3>"$2" || exit 77
    chmod "$1" "$2" || exit 1
  fi
  cat >&3
)

make_directory() {
  t_octal "$1" && t_place new "$2" && t_not_link "$t_at" || return 77
  if [ -d "$t_at" ]; then
    [ -n "$t_owner_mode" ] || trusted_path "$t_at" || t_refuse "$2 is left as it is: $why" || return 77
    return 0
  fi
  (umask "$(printf %o $((0777 & ~0$1)))" && mkdir -- "$t_at")
}

write_file() {
  t_octal "$1" && t_place new "$2" || return 77
  t_not_link "$t_at" || return 77
  [ ! -d "$t_at" ] || t_refuse "$2 is a directory" || return 77
  t_temp=$(t_beside "$t_at") || return 1
  if t_create "$1" "$t_temp" && t_rename "$t_temp" "$t_at"; then return 0; fi
  rm -f -- "$t_temp"
  return 1
}

append_file() {
  t_place new "$1" && t_not_link "$t_at" || return 77
  if [ -e "$t_at" ]; then
    [ -f "$t_at" ] || t_refuse "$1 is not a regular file" || return 77
    [ -n "$t_owner_mode" ] || trusted_path "$t_at" || t_refuse "$1 is left as it is: $why" || return 77
    cat >>"$t_at"
  else
    (umask 077 && set -C && cat >"$t_at")
  fi
}

# output_to PATH COMMAND ARG…: what the command prints goes to a new file of root's, and its status is returned. A file and
# no pipe: what the command leaves running would hold a pipe open.
output_to() {
  write_file 600 "$1" </dev/null || return
  t_output=$t_at t_sound=$t_line # the command may give a directory to another user
  shift
  "$@" >>"$t_output" 2>&1
}

# rewrite_file PATH: standard input replaces the content of a regular file in place (one that cannot be renamed over).
rewrite_file() {
  t_place old "$1" && t_not_link "$t_at" || return 77
  [ -f "$t_at" ] || t_refuse "$1 is not a regular file" || return 77
  cat >"$t_at"
}

# t_source FILE: sets $t_from to a regular file of a size that is copied.
t_source() {
  t_place old "$1" && t_not_link "$t_at" || return 77
  t_from=$t_at
  [ -f "$t_from" ] || t_refuse "$1 is not a regular file" || return 77
  t_bytes=$(stat -c %s -- "$t_from") && [ "$t_bytes" -le "$t_most" ] || t_refuse "$1 has $t_bytes bytes (limit $t_most)"
}

# Owner, mode, ACL, SELinux label and all other extended attributes; fails if the tool or the file system cannot.
t_attributes() {
  cp --attributes-only --preserve=all,xattr ${3:+"$3"} -- "$1" "$2" ||
    t_refuse "the attributes of $1 cannot be copied to $2"
}

copy_file() {
  t_place new "$2" || return 77
  t_to=$t_at
  if [ -e "$t_to" ] || [ -L "$t_to" ]; then t_refuse "$2 exists" || return 77; fi
  t_source "$1" || return 77
  t_temp=$(t_beside "$t_to") || return 1
  if t_create 0600 "$t_temp" <"$t_from" && t_attributes "$t_from" "$t_temp" && t_rename "$t_temp" "$t_to"; then return 0; fi
  rm -f -- "$t_temp"
  return 77
}

# copy_attributes FROM TO: the file TO with another content keeps its own times, because apache loads an encrypted key
# again only if its time has changed, and backup programs compare times.
copy_attributes() {
  t_place old "$2" && t_not_link "$t_at" || return 77
  t_to=$t_at
  [ -f "$t_to" ] || t_refuse "$2 is not a regular file" || return 77
  t_source "$1" && t_attributes "$t_from" "$t_to" --no-preserve=timestamps
}

# t_renamable FROM TO: sets $t_from and $t_at to a file and the name that it can be renamed to.
t_renamable() {
  t_place old "$1" || return 77
  t_from=$t_at
  t_place new "$2" || return 77
  t_same_device "${t_from%/*}/" "${t_at%/*}/" || t_refuse "$2 is on another file system than $1" || return 77
  [ -e "$t_from" ] || [ -L "$t_from" ] || t_refuse "$1 does not exist" || return 77
  if [ -d "$t_at" ] && [ ! -L "$t_at" ]; then t_refuse "$2 is a directory" || return 77; fi
}

t_same_device() {
  [ -z "$t_owner_mode" ] && [ "$1" != "$2" ] || return 0
  # shellcheck disable=SC2086  # $limit is a command and its words
  t_facts=$($limit stat -c %d -- "$1" "$2" 2>/dev/null) || return 1
  [ "${t_facts%%"$t_line"*}" = "${t_facts##*"$t_line"}" ]
}

rename_file() { t_renamable "$1" "$2" && t_rename "$t_from" "$t_at"; }

point_link() {
  t_place new "$1" || return 77
  if [ -e "$t_at" ] && [ ! -L "$t_at" ]; then t_refuse "$1 is not a symbolic link" || return 77; fi
  t_temp=$(t_beside "$t_at") || return 1
  if ln -s -- "$2" "$t_temp" && t_rename "$t_temp" "$t_at"; then return 0; fi
  rm -f -- "$t_temp"
  return 1
}

change_mode() {
  t_octal "$1" && t_place old "$2" && t_not_link "$t_at" || return 77
  t_sound=$t_line
  chmod -- "$1" "$t_at"
}

change_owner() {
  t_place old "$2" && t_not_link "$t_at" || return 77
  t_sound=$t_line
  chown -h -- "$1" "$t_at"
}

remove_file() {
  t_place old "$1" || return 77
  rm -f -- "$t_at"
}

# Overwrites a file that has one name, then removes it.
destroy_file() {
  t_place old "$1" || return 77
  if [ -f "$t_at" ] && [ ! -L "$t_at" ] && [ "$(stat -c %h -- "$t_at")" = 1 ]; then
    shred -n 1 -- "$t_at" 2>/dev/null || :
  fi
  rm -f -- "$t_at"
}

remove_directory() {
  t_place old "$1" && t_not_link "$t_at" || return 77
  rmdir -- "$t_at"
}

# Only a tree whose top is root's own: rm of busybox looks at a name and then enters it.
remove_tree() {
  t_place old "$1" && t_not_link "$t_at" || return 77
  [ -n "$t_owner_mode" ] || trusted_path "$t_at" || t_refuse "$1 is left as it is: $why" || return 77
  rm -rf -- "$t_at"
}

# --- Several files together, and trees ---

# rename_files FROM TO [FROM TO]…: all pairs are checked first and then renamed directly after each other.
rename_files() {
  t_pairs=$(($# / 2))
  while [ "$t_pairs" -gt 0 ]; do
    t_pairs=$((t_pairs - 1))
    t_renamable "$1" "$2" || return 77
    set -- "$@" "$t_from" "$t_at"
    shift 2
  done
  while [ $# -gt 0 ]; do
    t_alike "$@"
    if [ "$t_group" -gt 1 ]; then t_rename_group "$t_group" "$@" || return 1
    else t_group=1 && t_rename "$1" "$2" || return 1
    fi
    shift $((2 * t_group))
  done
}

# t_alike FROM TO…: sets $t_group to how many of the first pairs keep their name and go from one directory to one other.
t_alike() {
  t_group=0 t_up=${1%/*} t_into=${2%/*}
  while [ $# -gt 1 ] && [ "$1" = "$t_up/${2##*/}" ] && [ "${2%/*}" = "$t_into" ]; do
    t_group=$((t_group + 1))
    shift 2
  done
}

# t_rename_group COUNT FROM TO…: one program renames the first pairs, so that only microseconds pass between two of them.
t_rename_group() {
  t_pairs=$1
  shift
  t_others=$(($# - 2 * t_pairs))
  while [ "$t_pairs" -gt 0 ]; do
    t_pairs=$((t_pairs - 1))
    set -- "$@" "$1"
    shift 2
  done
  shift "$t_others"
  mv -f -- "$@" "$t_into/"
}

# new_file_like LIKE PATH MODE: a new file with the attributes of another but for the mode; its content is standard input,
# which is written when no other user can read more than is to be readable.
new_file_like() {
  t_octal "$3" && t_place new "$2" || return 77
  t_to=$t_at
  if [ -e "$t_to" ] || [ -L "$t_to" ]; then t_refuse "$2 exists" || return 77; fi
  [ -f "$1" ] || t_refuse "$1 is not a regular file" || return 77
  t_temp=$(t_beside "$t_to") || return 1
  if t_create 0600 "$t_temp" </dev/null && t_attributes "$1" "$t_temp" && t_has_group_of "$1" "$t_temp" &&
    chmod -- "$3" "$t_temp" && cat >>"$t_temp" && t_rename "$t_temp" "$t_to"; then return 0; fi
  rm -f -- "$t_temp"
  return 77
}

# cp says nothing if a user cannot give a file to a group.
t_has_group_of() {
  [ "$(stat -L -c %g -- "$1")" = "$(stat -c %g -- "$2")" ] || t_refuse "the group of $1 cannot be given to another file by uid $t_me"
}

# open_lock PATH: opens a file as descriptor 9, for flock(1).
open_lock() {
  t_place new "$1" && t_not_link "$t_at" || return 77
  [ ! -e "$t_at" ] || trusted_path "$t_at" || t_refuse "$1 is left as it is: $why" || return 77
  exec 9>>"$t_at"
}

# capture PATH COMMAND…: runs a command whose output goes to a file; what it starts may keep that open, and not our lock.
capture() {
  t_place new "$1" && t_not_link "$t_at" || return 77
  shift
  "$@" </dev/null >"$t_at" 2>&1 9>&-
}

# claim_tree DIRECTORY: every directory from this one down becomes the login's own, from the top: once a directory is, no
# other user changes what is in it.
claim_tree() {
  t_place old "$1" && t_not_link "$t_at" || return 77
  find "$t_at" -xdev -type d -exec chown -h "$t_me" {} \; -exec chmod 700 {} \;
}

# destroy_tree DIRECTORY: overwrites each file that has one name, then removes the tree.
destroy_tree() {
  t_place old "$1" && t_not_link "$t_at" || return 77
  trusted_path "$t_at" || t_refuse "$1 is left as it is: $why" || return 77
  t_tree=$t_at
  claim_tree "$1" && find "$t_tree" -xdev -type f -links 1 -exec shred -n 1 {} + 2>/dev/null || :
  rm -rf -- "$t_tree"
}
