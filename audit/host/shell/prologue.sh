# shellcheck shell=sh disable=SC2154  # the nonce is set by the line above
# Functions that every script on a host begins with.
only=p prefix='' continues=''
many_characters="????????" # a pattern for texts of 2,048 characters and more; ansible takes the sign of a length for a template's
for _ in 1 2 3 4 5 6 7 8; do many_characters=$many_characters$many_characters; done

# Prints a text. The text must never be an argument of a program, because other users can read arguments.
case $(command -v printf) in
*/*)
  print() {
    cat <<END_OF_TEXT
$1
END_OF_TEXT
  }
  ;;
*) print() { printf "%s\n" "$1"; } ;;
esac

# A line of our own between sections.
frame() {
  print "
$nonce $1"
}

# Each marker gets a line of its own first, because a file may have END and BEGIN on one line.
without_keys() {
  sed "s/\(.\)-----BEGIN /\1\\
-----BEGIN /g;s/\(.\)-----END /\1\\
-----END /g" | sed "/-BEGIN [^-]*PRIVATE KEY-/,/-END [^-]*-/d"
}

# Makes one line of the lines of each setting. $continues says how a setting goes on in the next line: after a "backslash" at the
# end of its line, where the next is "indented", or up to a "semicolon" or a brace. A vertical tab stands for that backslash and a
# form feed for the end of the line, because both count as blanks. Comments between the lines of a setting belong to it.
join_lines() {
  awk -v how="$1" '
{ gsub(/[\013\014]/, " ") }
held != "" && (/^# (configuration file|cannot read) / || length(held) > 20000) { print held; held = "" }
/^# (configuration file|cannot read) / { print; next }
how == "indented" {
  if (held != "" && /^([ \t#]|$)/) held = held "\014" $0
  else { if (held != "") print held; held = $0 }
  next
}
how == "backslash" {
  if ((held != "" && /^[ \t]*#/) || sub(/\\$/, "\013")) held = held $0 "\014"
  else { print held $0; held = "" }
  next
}
{
  code = $0
  if (match(code, /(^|[ \t;{}])#/)) {
    before = quotes = substr(code, 1, RSTART + RLENGTH - 2)
    if (gsub(/["\047]/, "", quotes) % 2 == 0) code = before
  }
  if (held == "" && code ~ /(^|[;{}])[ \t]*$/) { print; next }
  if (code !~ /^[ \t]*$/) held = held (held == "" ? "" : "\014") code
  if (held ~ /[;{}][ \t]*$/) { print held; held = "" }
}
END { if (held != "") print held }'
}
without_secrets() {
  case $continues in
  '') hide_values '[^;{}]*' ;;
  semicolon) join_lines semicolon | hide_values '[^;{}]*' | tr "\013\014" "\134\012" ;;
  *) join_lines "$continues" | hide_values '.*' | tr "\013\014" "\134\012" ;;
  esac
}

# Hides values of settings that hold passwords and the like; $1 matches a value. Names of web servers are not settings.
hide_values() {
  sed "/^[[:space:]]*[Ss][Ee][Rr][Vv][Ee][Rr]_\{0,1\}\([Nn][Aa][Mm][Ee]\|[Aa][Ll][Ii][Aa][Ss]\)[[:space:]]/b
/[Pp][Aa][Ss][Ss]\|_[Pp][Ww][Dd]\|[Ss][Ee][Cc][Rr][Ee][Tt]\|[Tt][Oo][Kk][Ee][Nn]\|[Cc][Rr][Ee][Dd][Ee][Nn]\|[Aa][Pp][Ii]_*[Kk][Ee][Yy]\|[Aa][Uu][Tt][Hh][Oo][Rr][Ii][Zz]/!b
s/\(^\|[^A-Za-z0-9_./]\)\([A-Za-z0-9_]*\([Pp][Aa][Ss][Ss]\(_*[Pp][Hh][Rr][Aa][Ss][Ee]\|[Ww][Oo]*[Rr]*[Dd]\)\|_[Pp][Ww][Dd]\|[Ss][Ee][Cc][Rr][Ee][Tt]\|[Tt][Oo][Kk][Ee][Nn]\|[Cc][Rr][Ee][Dd][Ee][Nn][Tt][Ii][Aa][Ll]\|[Aa][Pp][Ii]_*[Kk][Ee][Yy]\|[Aa][Uu][Tt][Hh][Oo][Rr][Ii][Zz][Aa][Tt][Ii][Oo][Nn]\)[A-Za-z0-9_]*[\"']*[[:space:]]*[=:[:space:]][[:space:]]*\)$1/\1\2(hidden)/g"
}

# Prints $out without its last line, keys and secrets. Most outputs are short and have no word that keys and secrets begin with:
# they need no program.
print_output() {
  if [ -z "$continues" ]; then
    case $out in
    $many_characters*) ;;
    *-BEGIN\ * | *-END\ * | *[Pp][Aa][Ss][Ss]* | *_[Pp][Ww][Dd]* | *[Ss][Ee][Cc][Rr][Ee][Tt]* | *[Tt][Oo][Kk][Ee][Nn]*) ;;
    *[Cc][Rr][Ee][Dd][Ee][Nn]* | *[Aa][Pp][Ii]* | *[Aa][Uu][Tt][Hh][Oo][Rr][Ii][Zz]*) ;;
    *)
      print "${out%"$t_line"*}"
      return
      ;;
    esac
  fi
  print "$out" | sed "\$d" | without_keys | without_secrets
}

# Runs a command and frames what it prints: at most @BYTES@ bytes, without private keys and secrets.
# The status "cut" means that the output was longer.
section() {
  name=$prefix$1
  shift
  out=$({
    "$@" 2>&1
    frame "$? "
  } | head -c @BYTES@)
  # shells take minutes to match a pattern in megabytes, so only the end of a long output is looked at
  case $out in
  $many_characters*) rc=$(print "$out" | tail -c 64) ;;
  *) rc=$out ;;
  esac
  case $rc in
  *"$nonce "[0-9]*\ ) rc=${rc##*"$nonce "} rc=${rc% } ;;
  *) rc="cut" ;;
  esac
  frame "begin $name"
  case $out,$only in
  "$t_line$nonce "*) ;; # it printed nothing
  *,p) print_output ;;
  *) print_output | sed -n "$only" ;;
  esac
  frame "end $rc $*"
  [ "$rc" != cut ] || return 75
  return "$rc"
}
silent() { "$@" >/dev/null; }
