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
nearest "$root"
workdir=$there
for path in "$@"; do
  writable "${path%/*}"
  [ -e "$path" ] || continue
  room=$((room + 4 * $(stat -L -c %s -- "$path") / 1024 + 4)) files=$((files + 4))
  [ -r "$path" ] || lacks "$me cannot read $path"
  [ "$(id -u)" = 0 ] || needs_owner "$path"
done
free=%a
[ "$(id -u)" != 0 ] || free=%f
# shellcheck disable=SC2046 # four numbers
set -- $(stat -f -c "$free %S %c %d" "$workdir")
free=$(($1 * $2 / 1024))
[ "$free" -ge "$room" ] || lacks "$workdir has room for $free kB, $((room - free)) kB too little"
[ "$3" = 0 ] || [ "$4" -ge "$files" ] || lacks "$workdir has room for $4 files, $((files - $4)) too few"
