# shellcheck shell=sh
# Puts the challenge file into a docroot, or removes it, with the rights of the owner of the docroot. Every action goes
# through the working directory, so a directory that was checked cannot be exchanged. A symbolic link is replaced, never
# written through.
# shellcheck disable=SC2154,SC2034 # variables are shared with the scripts before and after this one
action=$1 docroot=$2 file=$3 content=$4 below=$5 made=$6
stop() { echo "$2" >&2; exit "$1"; }
cd -P -- "$docroot" 2>/dev/null || stop 66 "the docroot $docroot cannot be entered by uid $(id -u)"
top=$(pwd -P) master=$(stat -c %u .)
# With the rights of a user the functions of trust/ do not judge paths. This path cannot be redirected.
here() { if [ -n "$t_owner_mode" ]; then echo /proc/self/cwd; else pwd -P; fi; }
guard() {
  # shellcheck disable=SC2046 # mode and owner
  set -- $(stat -c "%a %u" .)
  case $1 in *[2367]) stop 77 "others can write to $(pwd -P) (mode $1)" ;; esac
  [ "$2" = 0 ] || [ "$2" = "$master" ] || [ "$2" = "$(id -u)" ] ||
    stop 77 "$(pwd -P) belongs to neither root nor the docroot's owner"
}
enter() {
  cd -P -- "$1" || stop 66 "$(pwd -P)/$1 cannot be entered by uid $(id -u)"
  case $(pwd -P) in "$top"/*) ;; *) stop 77 "$docroot/$1 leads out of the docroot, to $(pwd -P)" ;; esac
  guard
}
t_name_of_temp=$file # temporary names begin with the name of the file
put() {
  guard
  for name in $below; do
    [ -d "$name" ] || make_directory 755 "$(here)/$name" || stop 77 "uid $(id -u) cannot make $(pwd -P)/$name"
    enter "$name"
  done
  clear_parts
  [ ! -L "$file" ] || remove_file "$(here)/$file"
  printf "%s\n" "$content" | write_file 644 "$(here)/$file" || stop 77 "uid $(id -u) cannot write $(pwd -P)/$file"
}
# Removes the temporary files of runs that were killed.
clear_parts() {
  for part in ".$file."*; do
    [ ! -f "$part" ] || remove_file "$(here)/$part"
  done
}
clear() {
  if [ $# -eq 1 ]; then
    clear_parts
    remove_file "$(here)/$file"
    return
  fi
  [ -d "$2" ] || return 0
  (
    path=${1:+$1/}$2
    enter "$2"
    shift 2
    clear "$path" "$@"
  ) || exit $?
  case " $made " in *" ${1:+$1/}$2 "*) remove_directory "$(here)/$2" 2>/dev/null || : ;; esac
}
# shellcheck disable=SC2086 # a directory a word
clear_below() { clear "" $below; }
case $action in
  put) put ;;
  clear) clear_below ;;
esac
