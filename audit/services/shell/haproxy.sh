# shellcheck shell=sh disable=SC2154,SC2034,SC2148
# haproxy: the test of its configuration, its files, the variables that its sockets and paths name, its lists of
# certificates, and the names of the files in the directories of its certificates.
[ -n "$bin" ] || return 0
run_trusted "$bin" -v 2>/dev/null | grep -q '^HA-*Proxy version' || return 0 # it is another program
at=$(option -C)
given=$(use_words | awk '$0 == "--" { rest = 1; next } rest || before == "-f"; { before = $0 }')
[ -n "$given" ] || given=/etc/haproxy/haproxy.cfg
queue='' relative=''
set -f
IFS=$t_line
for f in $given; do
  case $f in
  /*) ;;
  *) if [ -n "$at" ]; then f=$at/$f; else relative="$relative$f depends on the directory of the process$t_line" && continue; fi ;;
  esac
  [ ! -d "$f" ] || f="${f%/}/*.cfg"
  queue=$queue$f$t_line
done
unset IFS
set +f
walk / '' "$queue"
untrusted=$relative$untrusted
configuration=$readable

# with_configuration PROGRAM ARG…: a command with the names of the files of the configuration as its last arguments.
with_configuration() {
  set -f
  IFS=$t_line
  # shellcheck disable=SC2086  # a name a line
  set -- "$@" $configuration
  unset IFS
  set +f
  "$@"
}
# Variables of a process that root or the login started, as far as sockets, paths and conditions name them.
environment=''
t_read_status "$pid"
if [ -n "$t_user" ] && t_is_ours && [ -r "/proc/$pid/environ" ] && [ -n "$configuration" ]; then
  # shellcheck disable=SC2016  # the characters as they are
  used=$(with_configuration sed -n '/bind\|socket\|crt\|key-base\|default-path\|\.[el]*if/p' |
    grep -o '[${(][A-Za-z_][A-Za-z0-9_]*' | tr -d '${(' | sort -u)
  for n in $used; do environment=$environment$(tr '\000' '\n' <"/proc/$pid/environ" | grep "^$n=" | head -n 1)$t_line; done
  section environment print "$environment"
fi

# Without a process its variables are not known, and the test would read others.
if [ "$pid" = 0 ] && with_configuration grep -q '"[^"]*[$]' /dev/null; then untested=yes; else untested=''; fi
if [ -z "$untrusted$untested" ]; then
  set --
  set -f
  IFS=$t_line
  for f in $given; do set -- "$@" -f "$f"; done
  unset IFS
  set +f
  section test run_as_process "$pid" "$bin" ${at:+-C "$at"} "$@" -c
fi
section files print_files

# named KIND FILE…: the paths of certificates (crt) or of their lists (crt-list) that files name, a line each, as far as
# plain words do. A relative path is tried below each directory that it can mean. $lists holds the lists among the files.
named() {
  kind=$1
  shift
  print "$lists$t_line$environment" | awk -v kind="$kind" -v at="$at" '
function expanded(text,  out, name) {
  out = ""
  while (match(text, /[$][{]?[A-Za-z_][A-Za-z0-9_]*[}]?/)) {
    name = substr(text, RSTART, RLENGTH)
    gsub(/[${}]/, "", name)
    out = out substr(text, 1, RSTART - 1) value[name]
    text = substr(text, RSTART + RLENGTH)
  }
  return out text
}
function show(path,  base, below) {
  if (path ~ /^\//) { print path; return }
  if (path == "" || path ~ /^@/) return
  below = FILENAME
  sub(/\/[^\/]*$/, "", below)
  print below "/" path
  if (at != "") print at "/" path
  for (base in bases) print (base ~ /^\// ? "" : below "/") base "/" path
}
FILENAME == "-" && /^\// { is_list[$0]; next }
FILENAME == "-" { name = $0; sub(/=.*/, "", name); value[name] = substr($0, length(name) + 2); next }
FILENAME in is_list { if ($1 !~ /^#/) { gsub(/["\047]/, ""); show($1) } next }
!/crt|env|key-base|default-path/ { next }
{ gsub(/["\047]/, ""); $0 = expanded($0) }
$1 == "setenv" || $1 == "presetenv" { value[$2] = $3 }
$1 == "crt-base" || $1 == "key-base" { bases[$2] }
$1 == "default-path" && $2 == "origin" { bases[$3] }
{
  for (i = 1; i < NF; i++) if (kind == "crt-list" ? $i == kind : $i == "crt" || $i == "default-crt") show($(i + 1))
}' - "$@" | sort -u
}
# Prints each directory in which certificates are, and its files; of one that others could change only why it is not listed.
list_directories() {
  set -f
  IFS=$t_line
  # shellcheck disable=SC2086  # a name a line
  set -- $1
  unset IFS
  set +f
  for f in "$@"; do
    [ "$f" != 'the rest' ] || print '# cannot read the rest: more than 400 paths and directories are named'
    [ -d "$f" ] || continue
    if ! trusted_path "$f" || ! for_process "$f"; then print "# cannot read $f: $why"
    elif [ ! -r "$f" ] || [ ! -x "$f" ]; then print "# cannot read $f: the login may not list it"
    else
      print "# directory $f"
      $limit find -L "$f" -maxdepth 1 -type f
    fi
  done
}
# Prints those of some files that have a file for a key beside them, but hold a key of their own.
with_own_key() {
  keys=$(print "$1" | sed -n 's/\.key$//p')
  set -f
  IFS=$t_line
  set --
  for f in $keys; do set -- "$@" "$f" "$f.crt"; done
  unset IFS
  set +f
  trusted_files "$@"
  set -f
  IFS=$t_line
  # shellcheck disable=SC2086  # a name a line
  set -- $good
  unset IFS
  set +f
  [ $# -eq 0 ] || $limit grep -l -e 'PRIVATE KEY-----' -- "$@"
}
[ -n "$configuration" ] || return 0
lists=''
lists=$(with_configuration named crt-list)
if [ -n "$lists" ]; then
  walk / '' "$lists"
  section crt_lists print_files
  configuration=$configuration$readable
fi
named=$(with_configuration named crt)
directories=$(print "$named" | awk '{ print; sub(/\/[^\/]*$/, ""); print ($0 == "" ? "/" : $0) }' | sort -u |
  awk '++count <= 400 { print } END { if (count > 400) print "the rest" }')
listed=$(list_directories "$directories")
section directories print "$listed"
section with_key with_own_key "$listed"
