# shellcheck shell=sh
# Reports what the host lacks for a repair of the files at the paths $@: programs, rights and disk space. Root may write
# anywhere. Another user may write only its own files, because only root can give a file to another user.
# shellcheck disable=SC2154,SC2034 # variables are shared with the scripts before and after this one
is_mine() { [ "$(stat -L -c %u -- "$1")" = "$(id -u)" ]; }
nearest() { there=$1; while [ ! -e "$there" ]; do there=${there%/*}; [ -n "$there" ] || there=/; done; }
writable() {
  nearest "$1"
  [ -w "$there" ] && [ -x "$there" ] && return
  if [ "$there" = "$1" ]; then lacks "$me cannot write $there"; else lacks "$me cannot write $there, to make $1 in it"; fi
}
needs_owner() {
  is_mine "$1" || lacks "$1 belongs to $(stat -L -c %U -- "$1"), to whom $me cannot give another file"
  case $groups in
    *" $(stat -L -c %g -- "$1") "*) ;;
    *) lacks "$1 is of the group $(stat -L -c %G -- "$1"), to which $me cannot give another file" ;;
  esac
}
for program in openssl flock setsid sync; do
  command -v "$program" >/dev/null || lacks "there is no $program on the host"
done
if [ -e "$root" ]; then
  { is_mine "$root" && [ ! -L "$root" ]; } || lacks "$root does not belong to $me"
elif [ ! -d "${root%/*}" ]; then
  lacks "there is no directory ${root%/*}, to make $root in it"
fi
trusted_path "$root/$case" || lacks "the work directory cannot be used: $why"
writable "$root/$case"
# needs_room PLACE KB FILES: reports what the file system of a place lacks.
needs_room() {
  place=$1 needs_kb=$2 needs_files=$3 free=%a
  [ "$(id -u)" != 0 ] || free=%f
  # shellcheck disable=SC2046 # four numbers
  set -- $(stat -f -c "$free %S %c %d" "$place")
  free=$(($1 * $2 / 1024))
  [ "$free" -ge "$needs_kb" ] || lacks "$place has room for $free kB, $((needs_kb - free)) kB too little"
  [ "$3" = 0 ] || [ "$4" -ge "$needs_files" ] || lacks "$place has room for $4 files, $((needs_files - $4)) too few"
}
# needs_quota UID PLACE KB FILES: reports what the quota of a user lacks. Root has no quota.
needs_quota() {
  [ "$1" != 0 ] && command -v quota >/dev/null || return 0
  mount_of "$2"
  # shellcheck disable=SC2086 # a command and its words
  $limit quota -wpu "$1" 2>/dev/null | while read -r source used _ most _ used_files _ most_files _; do
    [ "$source" = "$mount_source" ] || continue
    used=${used%\*} used_files=${used_files%\*}
    case $used$most$used_files$most_files in *[!0-9]*) continue ;; esac
    [ "$most" = 0 ] || [ $((most - used)) -ge "$3" ] ||
      lacks "the quota of uid $1 on $mount_point leaves $((most - used)) kB, and $3 kB are needed in $2"
    [ "$most_files" = 0 ] || [ $((most_files - used_files)) -ge "$4" ] ||
      lacks "the quota of uid $1 on $mount_point leaves $((most_files - used_files)) files, and $4 are needed in $2"
  done
}
# Each new file is made beside the old one, and the file of a mount point is written in place: 16 kB more for its chain.
beside=0
for path in "$@"; do
  writable "${path%/*}"
  [ -e "$path" ] || continue
  bytes=$(stat -L -c %s -- "$path")
  beside=$((beside + bytes / 1024 + 16)) room=$((room + 4 * bytes / 1024 + 4)) files=$((files + 4))
  [ -r "$path" ] || lacks "$me cannot read $path"
  [ "$(id -u)" = 0 ] || needs_owner "$path"
done
nearest "$root"
workdir=$there
needs_room "$workdir" "$room" "$files"
needs_quota "$(id -u)" "$workdir" "$room" "$files"
for path in "$@"; do
  nearest "${path%/*}"
  if trusted_path "$there"; then owner_uid=$(id -u); else owner_of "$there" || continue; fi
  needs_quota "$owner_uid" "$there" "$beside" $(($# + 1))
  [ ! -e "$path" ] || [ "$(stat -L -c %d -- "$path")" = "$(stat -c %d -- "$there")" ] || there=$path
  [ "$(stat -c %d -- "$there")" = "$(stat -c %d -- "$workdir")" ] || needs_room "$there" "$beside" $(($# + 1))
done
