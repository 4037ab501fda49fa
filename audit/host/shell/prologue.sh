# shellcheck shell=sh disable=SC2154  # the nonce is set by the line above
# Functions that every script on a host begins with.
only=p prefix=''

# Prints a text. What it prints must never be an argument of a program: other users can read those.
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

# Values of settings that hold passwords and the like. Names of web servers are not settings.
without_secrets() {
  sed "/^[[:space:]]*[Ss][Ee][Rr][Vv][Ee][Rr]_\{0,1\}\([Nn][Aa][Mm][Ee]\|[Aa][Ll][Ii][Aa][Ss]\)[[:space:]]/b
/[Pp][Aa][Ss][Ss]\|_[Pp][Ww][Dd]\|[Ss][Ee][Cc][Rr][Ee][Tt]\|[Tt][Oo][Kk][Ee][Nn]\|[Cc][Rr][Ee][Dd][Ee][Nn]\|[Aa][Pp][Ii]_*[Kk][Ee][Yy]\|[Aa][Uu][Tt][Hh][Oo][Rr][Ii][Zz]/!b
s/\(^\|[^A-Za-z0-9_./]\)\([A-Za-z0-9_]*\([Pp][Aa][Ss][Ss]\(_*[Pp][Hh][Rr][Aa][Ss][Ee]\|[Ww][Oo]*[Rr]*[Dd]\)\|_[Pp][Ww][Dd]\|[Ss][Ee][Cc][Rr][Ee][Tt]\|[Tt][Oo][Kk][Ee][Nn]\|[Cc][Rr][Ee][Dd][Ee][Nn][Tt][Ii][Aa][Ll]\|[Aa][Pp][Ii]_*[Kk][Ee][Yy]\|[Aa][Uu][Tt][Hh][Oo][Rr][Ii][Zz][Aa][Tt][Ii][Oo][Nn]\)[A-Za-z0-9_]*[\"']*[[:space:]]*[=:[:space:]][[:space:]]*\)[^;{}]*/\1\2(hidden)/g"
}

# Runs a command and frames what it prints: at most @BYTES@ bytes, without private keys and secrets.
# The status "cut" is that of an answer that was longer.
section() {
  name=$prefix$1
  shift
  out=$({
    "$@" 2>&1
    frame "$? "
  } | head -c @BYTES@)
  # shells take minutes to match a pattern in megabytes, so only the end is looked at
  rc=$(print "$out" | tail -c 64)
  case $rc in
  *"$nonce "[0-9]*\ ) rc=${rc##*"$nonce "} rc=${rc% } ;;
  *) rc="cut" ;;
  esac
  frame "begin $name"
  print "$out" | sed "\$d" | without_keys | without_secrets | sed -n "$only"
  frame "end $rc $*"
  [ "$rc" != cut ] || return 75
  return "$rc"
}
silent() { "$@" >/dev/null; }
