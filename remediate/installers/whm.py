"""WHM API 1 in shell: a certificate and its key are given to the panel, and what it answers is reduced to a word.

It knows the documented functions and nothing of the panel beside them. An answer may hold a private key, so nothing of
one leaves this but result and reason, the names of services and certificates of CAs; a key is given on standard input,
where this `whmapi1` takes it there.
"""

from __future__ import annotations

from typing import Final

# It walks through one JSON text and prints a verdict on its first line: `done`, `refused REASON`, `none STATUS` or
# `broken STATUS`. Of a reason no word is printed whole that is longer than words are.
_READING: Final = r"""
function blank() { sub(/^[ \t\r\n]+/, "", text) }
function first() { blank(); return substr(text, 1, 1) }
function next_one(one) { one = first(); text = substr(text, 2); return one }
function quoted(out, one) {
  while (match(text, /["\\]/)) {
    out = out substr(text, 1, RSTART - 1)
    one = substr(text, RSTART, 1)
    text = substr(text, RSTART + 1)
    if (one == "\"") return out
    one = substr(text, 1, 1)
    text = substr(text, one == "u" ? 6 : 2)
    out = out (one == "n" ? "\n" : index("rtbf", one) ? " " : one == "u" ? "?" : one)
  }
  broken = 1
}
function members(path, end, number, key, one) {
  text = substr(text, 2)
  if (first() == end) { text = substr(text, 2); return }
  for (number = 0; !broken; number++) {
    key = number
    if (end == "}") {
      if (next_one() != "\"") break
      key = quoted()
      gsub(/[.]/, "?", key)
      if (next_one() != ":") break
    }
    value(path "." key)
    one = next_one()
    if (one == end) return
    if (one != ",") break
  }
  broken = 1
}
function value(path, one) {
  one = first()
  if (one == "{") members(path, "}")
  else if (one == "[") members(path, "]")
  else if (one == "\"") { text = substr(text, 2); found[path] = quoted() }
  else if (match(text, /^[-+.0-9A-Za-z]+/)) { found[path] = substr(text, 1, RLENGTH); text = substr(text, RLENGTH + 1) }
  else broken = 1
}
function plain(reason, words, count, number, out) {
  sub(/-----BEGIN.*/, "", reason)
  gsub(/[^ -~]/, " ", reason)
  count = split(reason, words, " ")
  for (number = 1; number <= count; number++)
    out = out (number > 1 ? " " : "") (length(words[number]) > 40 ? "(a long word)" : words[number])
  return substr(out, 1, 300)
}
/^ended [0-9]+$/ { status = $2; next }
{ text = text $0 "\n" }
END {
  if (text !~ /[^ \t\r\n]/) { print "none " status; exit }
  value("")
  blank()
  if (broken || text != "" || !(".metadata.result" in found)) { print "broken " status; exit }
  if (found[".metadata.result"] != "1") { print "refused " plain(found[".metadata.reason"]); exit }
  print "done"
  for (number = 0; (".data.services." number ".service") in found; number++) {
    service = found[".data.services." number ".service"]
    if (wanted == "services") print plain(service)
    if (wanted == "bundle " service) print found[".data.services." number ".cabundle"]
  }
}
"""

# The panel's program never has our lock (descriptor 9): what it starts may stay.
_ASK: Final = (
    r"""
panel="@ROOT@" whm_s=@SECONDS@
reading='"""
    + _READING
    + r"""'
whm=$panel/usr/local/cpanel/bin/whmapi1
[ -x "$whm" ] || whm=$(command -v whmapi1) || whm=
within() {
  if timeout -k 1 1 true 2>/dev/null; then timeout -k 5 "$@"; else shift; "$@"; fi
}
ask() {
  wanted=$1
  shift
  {
    within "$whm_s" "$whm" --output=json "$@" 9>&- && status=0 || status=$?
    printf "\nended %s\n" "$status"
  } 2>/dev/null | head -c 4000000 | awk -v wanted="$wanted" "$reading"
}
answered() {
  case $1 in
    done*) return 0 ;;
    refused*) said="WHM refuses: ${1#refused }" ;;
    *" 124") said="whmapi1 gave no answer within $whm_s s" ;;
    *" 137") said="whmapi1 was killed before it gave an answer" ;;
    none*) said="whmapi1 gave no answer, and ended with ${1#none }" ;;
    *) said="whmapi1 gave an answer that cannot be read" ;;
  esac
  return 1
}
has_whm() {
  [ -n "$whm" ] && return
  said="there is no whmapi1 on the host"
  return 1
}
"""
)

# A version's file of a service is found by its folder, which bears the service's name: at first the one that has the
# part, `k`, `l` or `c`.
_GIVE: Final = r"""
services_of() {
  left=$1
  shift
  while [ "$left" -gt 0 ]; do
    set -- "${1%/*}" "$@"
    echo "${1##*/}"
    shift 3
    left=$((left - 1))
  done | sort -u
}
place() {
  part=$1 of=$2 left=$3
  shift 3
  while [ "$left" -gt 0 ]; do
    case "${1%/*} $2" in */"$of "*"$part"*) echo "$1"; return ;; esac
    shift 2
    left=$((left - 1))
  done
}
pem() { sed -n "/^-----BEGIN $1-----/,/^-----END $1-----/p" "$2" 2>/dev/null; }
first_of() { pem "$1" "$2" | sed "/^-----END/q"; }
value_of() {
  case $1 in
    crt) first_of "CERTIFICATE" "$leaf" ;;
    key) first_of ".*PRIVATE KEY" "$key" ;;
    cabundle) if [ "$chain" = "$leaf" ]; then pem "CERTIFICATE" "$chain" | sed "1,/^-----END/d"
      else pem "CERTIFICATE" "$chain"
      fi ;;
  esac | tr -d "\"\\\\\r"
}
as_json() {
  printf "{\"service\":\"%s\"" "$1"
  for value in crt key cabundle; do
    printf ",\"%s\":\"" "$value"
    value_of "$value" | awk "{ printf \"%s\\\\n\", \$0 }"
    printf "\""
  done
  echo "}"
}
encoded() {
  value_of "$1" | sed "s/%/%25/g;s/+/%2B/g;s|/|%2F|g;s/=/%3D/g;s/ /%20/g" | awk "{ printf \"%s%%0A\", \$0 }"
}
given_openly() {
  say note "whmapi1 here takes nothing on standard input: while it ran the key of $service was in the process list"
  ask "" install_service_ssl_certificate "service=$service" "crt=$(encoded crt)" "key=$(encoded key)" \
    "cabundle=$(encoded cabundle)" </dev/null
}
give() {
  service=$1 version=$2
  shift 2
  leaf=$version$(place l "$service" "$@") key=$version$(place k "$service" "$@")
  chain=$version$(place c "$service" "$@")
  if [ -z "$(first_of CERTIFICATE "$leaf")" ] || ! grep -q "^-----BEGIN .*PRIVATE KEY-----" "$key" 2>/dev/null; then
    verdict=$(ask "" reset_service_ssl_certificate "service=$service" </dev/null)
  else
    usage=$(within "$whm_s" "$whm" --help </dev/null 2>&1 9>&-) || :
    case $usage in
      *--input*) verdict=$(as_json "$service" | ask "" --input=json install_service_ssl_certificate) ;;
      *--output*) verdict=$(given_openly) ;;
      *) said="$service: whmapi1 does not tell how it is used"; return 1 ;;
    esac
  fi
  answered "$verdict" || { said="$service: $said"; return 1; }
}
put() {
  has_whm || return 1
  version=$1
  shift
  for each in $(services_of "$@"); do give "$each" "$version" "$@" || return 1; done
}
"""


def asking(root: str, answers_s: int) -> str:
    """Return the shell that asks: `ask WANTED FUNCTION…`, `answered VERDICT`, `has_whm`."""
    return _ASK.replace("@ROOT@", root).replace("@SECONDS@", str(answers_s))


GIVING: Final = _GIVE
"""The shell that gives the panel a version, for each of its services whose files there are: `put VERSION`."""
