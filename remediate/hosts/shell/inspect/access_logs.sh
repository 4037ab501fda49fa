# shellcheck shell=sh
# Prints the lines of access logs that match $1, at most $2 of each file, then why a log could not be read. $3…: the
# logs; a `?` before a path marks a log that may be missing. A log that was last written before the CSR was made is not
# read. Each file is read once even if several links lead to it, the newest first. A log that another user could have
# replaced is read with the rights of the owner of its directory.
# shellcheck disable=SC2154,SC2034 # variables are shared with the scripts before and after this one
wanted=$1 most=$2
shift 2
since=$root/$case/pending/csr.pem began=$(date +%s) text='' newest='' line_end='
'
printf "x\n" | grep -aqF x 2>/dev/null && text=-a
bounded() { if command -v timeout >/dev/null; then timeout 10 "$@"; else "$@"; fi 2>/dev/null; }
reader_of() {
  case $1 in
    *.gz) reader="gzip -dc" ;;
    *.bz2) reader="bzip2 -dc" ;;
    *.xz) reader="xz -dc" ;;
    *.zst) reader="zstd -dcq" ;;
    *) reader="tail -c 200000000" ;;
  esac
  command -v "${reader%% *}" >/dev/null
}
may_read() {
  [ -r "$1" ] || { echo "!! $1 may not be read by $(id -un)"; return 1; }
  reads_as=
  [ "$(id -u)" != 0 ] || trusted_path "$1" && return
  reads_as=owner refusal=$why
  # shellcheck disable=SC2016 # the owner's shell expands it
  as_owner "${1%/*}" '[ -r "$1" ]' "$1" 2>/dev/null && return
  echo "!! $1 is not read: $refusal, and the owner of its directory may not read it"
  return 1
}
content() {
  # shellcheck disable=SC2086 # a program with its options
  if [ -z "$reads_as" ]; then bounded $reader -- "$1"; else bounded_as_owner "$1"; fi
}
bounded_as_owner() {
  # shellcheck disable=SC2016 # the owner's shell expands it
  as_owner "${1%/*}" 'if command -v timeout >/dev/null; then set -- timeout 10 $1 -- "$2"; else set -- $1 -- "$2"; fi
    exec "$@"' "$reader" "$1" 2>/dev/null
}
lines() {
  reader_of "$1" || { echo "!! there is no ${reader%% *} on the host to read it with"; return; }
  content "$1" | grep $text -E -e "$wanted" | tail -n "$most" | cut -c 1-4000 | sed "s/^/> /"
}
leads_by_root() (
  unset IFS
  [ "$(id -u)" != 0 ] || trusted_path "$1"
)
show() {
  [ -e "$1" ] || return 0
  case $1 in *"$line_end"*) echo "!! a log whose name has a line break is not read" >&2; return ;; esac
  # a link of another user is followed with the rights of that user
  leads_by_root "$1" || { echo "$1"; return; }
  leads=$(readlink -f -- "$1") || return 0
  case $leads in *"$line_end"*) echo "!! a log whose name has a line break is not read" >&2 ;; *) echo "$leads" ;; esac
}
rotated() {
  IFS=
  base=${1##*/}
  # shellcheck disable=SC2086,SC2231 # a variable of the configuration stands in $1 as `*`; IFS is empty
  for found in $1 ${1}[.-]* ${1%/*}/*/${base}[.-]*; do show "$found"; done
  case $base in *.*) ;; *) return ;; esac
  # shellcheck disable=SC2086,SC2231 # as above
  for found in ${1%.*}[.-]*.${base##*.}*; do show "$found"; done
}
named() {
  for log in "$@"; do
    case $log in
      *"$line_end"*) echo "!! a log whose name has a line break is not read" >&2 ;;
      /*) [ -n "$(rotated "$log" 2>/dev/null)" ] || echo "!! $log does not exist" >&2; rotated "$log" ;;
      \?/*) rotated "${log#\?}" ;;
      *) echo "!! the log is written to $log, which is not a file" >&2 ;;
    esac
  done | sort -u | head -n 200
}
echo "zone $(date +%z)"
paths=$(named "$@" 2>&1)
printf "%s\n" "$paths" | grep "^!! "
printf "%s\n" "$paths" | grep "^/" | while IFS= read -r path; do
  [ ! -d "$path" ] || continue
  [ -f "$path" ] || { echo "!! $path does not keep what is logged" >&2; continue; }
  printf "%s %s\n" "$(stat -L -c %Y -- "$path")" "$path"
done 2>&1 | sort -rn | head -n 12 | while read -r when path; do
  case $when in "!!") echo "!! $path"; continue ;; esac
  if [ -e "$since" ] && [ "$path" -ot "$since" ]; then
    [ -n "$newest" ] || echo "== $path"
    newest=$path
    continue
  fi
  newest=$path
  may_read "$path" || continue
  [ $(($(date +%s) - began)) -lt 30 ] || { echo "!! $path was left out: it takes too long to read"; continue; }
  echo "== $path"
  lines "$path"
done | head -c 400000
:
