# shellcheck shell=sh disable=SC2154
# The files of earlier validations that are left in the folders from which a CA fetches tokens: their names and times.

# tokens PATTERN FOLDER…: prints the time and the path of each file, and names what the login cannot list. Another user may
# have named the files: a name with a line end is skipped.
tokens() {
  pattern=$1
  shift
  for d in "$@"; do
    up=$d
    while [ -n "$up" ] && [ ! -e "$up" ]; do up=${up%/*}; done
    if [ ! -d "$d" ]; then
      [ "$up" = "$d" ] || [ ! -d "$up/" ] || [ -x "$up/" ] || printf '# cannot read %s\n' "$up"
    elif [ -r "$d" ] && [ -x "$d" ]; then
      list_tokens "$d" "$pattern"
    else
      printf '# cannot read %s\n' "$d"
    fi
  done
}

list_tokens() {
  # shellcheck disable=SC2086  # $limit is a command and its words
  found=$({
    $limit find "$1/" -maxdepth 1 -type f -name "$2" ! -name "*$t_line*" -exec stat -c '%Y %n' {} + 2>/dev/null ||
      printf '# cannot read %s\n' "$1"
  } | sort -k 2 | head -n 501)
  [ -z "$found" ] || print "$found" | head -n 500
  [ "$(print "$found" | wc -l)" -le 500 ] || printf '# cannot read the rest of %s: there are more than 500 files\n' "$1"
}
