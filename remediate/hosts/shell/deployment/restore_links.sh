# shellcheck shell=sh
# shellcheck disable=SC2154,SC2034,SC2329 # variables and functions are shared with the scripts before and after this one
# Earlier versions of this program made the configured paths links into directories that daemons could pass through
# (mode 711). These functions replace the links by files. $folder is the directory of the files.
# Runs after deployment/version_files.sh.

# is_our_link PATH: returns whether the path is a link of an earlier version.
is_our_link() {
  [ -L "$1" ] || return 1
  case $(readlink "$1") in "$root"/*/*/live"$1") ;; *) return 1 ;; esac
}
# replace_links COUNT PATH PARTS …: replaces these links by copies of the files that they lead to.
replace_links() { for_each replace_link "$@" && close_versions; }
replace_link() {
  is_our_link "$1" || return 0
  temporary=${1%/*}/.sslaudit-$(od -An -N8 -tx1 /dev/urandom | tr -d ' \n')
  if [ ! -e "$1" ]; then remove_configured "$1"
  elif can_reach "$1"; then copy_file "$real" "$temporary" && rename_files "$temporary" "$1"
  else replace_link_as_owner "$1" "$(readlink -f "$1")"
  fi
}
replace_link_as_owner() {
  # shellcheck disable=SC2016 # it is the owner's shell that expands them
  content_of "$1" | as_owner "${1%/*}" 'new_file_like "$4" "$2" "$3" && rename_file "$2" "$1"' \
    "$1" "$temporary" "$(mode_of "$1")" "$2"
}
# each_file DIRECTORY FUNCTION: calls the function with each file below a directory; follows no link.
each_file() {
  for entry in "$1"/* "$1"/.[!.]*; do
    if [ -L "$entry" ]; then :
    elif [ -d "$entry" ]; then each_file "$entry" "$2" || return 1
    elif [ -f "$entry" ]; then "$2" "$entry" || return 1
    fi
  done
}
# After that no path leads through these directories, so only root may enter them. Some had been given to the owners of
# the directories whose files they hold.
close_versions() {
  [ -d "$folder" ] && [ "$(stat -c %a "$folder")" != 700 ] || return 0
  for version in "$folder"/*/; do
    version=${version%/}
    [ ! -L "$version" ] && [ -d "$version" ] || continue
    claim_tree "$version" || return 1
    [ ! -e "$version.modes" ] || { each_file "$version" unseal && remove_file "$version.modes"; } || return 1
  done
  change_mode 700 "$folder"
}
# An archived version has a list of the modes of its files. A path with a line break could add lines to that list, so it
# is not read: each file gets the attributes of the file that replaced it.
unseal() {
  path=${1#"$version"}
  if [ ! -e "$path" ]; then return 0
  elif can_reach "$path"; then copy_attributes "$real" "$1"
  else change_mode "$(mode_of "$path")" "$1"
  fi
}
# release_folder DIRECTORY: replaces each link that leads through a directory by a file, and prints the path; prints the
# directory if a switch was interrupted there.
release_path() {
  path=${1#"$version"}
  is_our_link "$path" || return 0
  replace_link "$path" && printf 'released %s\n' "$path" | tr -c '[:print:]\n' '?'
}
release_folder() {
  folder=$1
  [ ! -L "$folder/moving" ] || { echo "interrupted $folder"; return 0; }
  version=$folder/$(readlink "$folder/live")
  each_file "$version" release_path && close_versions
}
