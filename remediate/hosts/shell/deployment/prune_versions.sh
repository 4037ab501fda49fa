# shellcheck shell=sh
# shellcheck disable=SC2154,SC2034,SC2329 # variables and functions are shared with the scripts before and after this one
# Replaces links of earlier versions of this program by files, then removes versions that no rollback needs. $1: days,
# then the cases that are not touched. Of this case, the version in use and the last two verified versions stay. Another
# case is removed if no configured path uses it: at once if this case now has its paths, otherwise after so many days
# without a change. Only directories that this program made are removed, because the root may hold other files.
# Runs after common/lock.sh, deployment/version_files.sh and deployment/restore_links.sh.
days=$1
shift
spared=" $case $* "
# A path is `used` if it links to the version in use or has its content, and `replaced` if this case has the path.
use_of() {
  path=${1#"$version"}
  if is_our_link "$path"; then
    case $(readlink "$path") in
      "$folder"/*) used=yes ;;
      "$root/$case/"*) replaced=yes ;;
      *) other=yes ;;
    esac
    [ -z "$used" ]
    return
  fi
  for now in "$root/$case"/*/live; do
    [ ! -e "$now$path" ] || { replaced=yes; return 0; }
  done
  if same_as "$1" "$path"; then used=yes; else other=yes; fi
  [ -z "$used" ]
}
uses_of() {
  used='' replaced='' other=''
  for own in "$1"/*/; do
    own=${own%/}
    [ -L "$own/live" ] || continue
    version=$own/$(readlink "$own/live")
    each_file "$version" use_of || return 0 # one path in use is enough: the folder stays
  done
}
# is_hex WORD: returns whether a word is hexadecimal, as the names of cases and file sets are.
is_hex() { case $1 in '' | *[!0-9a-f]*) return 1 ;; esac; }
made_by_us() {
  is_hex "${1##*/}" && [ ${#1} -eq $((${#root} + 17)) ] || return 1
  for entry in "$1"/* "$1"/.[!.]*; do
    case ${entry##*/} in
      pending | pending.gone | renewal | "*" | ".[!.]*") ;;
      ????????????) is_hex "${entry##*/}" && [ -d "$entry" ] || return 1 ;;
      *) return 1 ;;
    esac
  done
}
for own in "$root"/*/*/; do
  own=${own%/}
  [ ! -L "$own/live" ] || release_folder "$own" >/dev/null || :
done
for folder in "$root/$case"/*/; do
  folder=${folder%/}
  [ -L "$folder/live" ] || continue
  kept=" "
  for link in live proven before way-back moving; do kept="$kept$(readlink "$folder/$link" || :) "; done
  for version in "$folder"/*/; do
    version=${version%/}
    [ ! -L "$version" ] && [ -d "$version" ] || continue
    case $kept in *" ${version##*/} "*) ;; *) destroy_tree "$version"; remove_file "$version.modes"; remove_file "$folder/rejected.${version##*/}" ;; esac
  done
done
for folder in "$root"/*/; do
  folder=${folder%/}
  case $spared in *" ${folder##*/} "*) continue ;; esac
  if [ -L "$folder" ] || ! made_by_us "$folder"; then continue; fi
  uses_of "$folder"
  [ -z "$used" ] || continue
  if [ -n "$replaced" ] && [ -z "$other" ] && [ ! -e "$folder/pending" ]; then destroy_tree "$folder"
  elif [ -z "$(find "$folder" -mtime "-$days" | head -n 1)" ]; then destroy_tree "$folder"
  fi
done
