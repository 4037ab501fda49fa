# shellcheck shell=sh
# shellcheck disable=SC2154,SC2034,SC2329 # variables and functions are shared with the scripts before and after this one
# WHM API 1: gives a certificate and its key to the panel, and reduces the reply to one word. A reply may hold a private
# key, so only the result and its reason, names of services, and certificates of CAs are printed.
# Expects $panel (prefix of the panel's paths), $whm_s (time limit of a call) and $reading (whm_reply.awk).
whm=$panel/usr/local/cpanel/bin/whmapi1
[ -x "$whm" ] || whm=$(command -v whmapi1) || whm=
within() {
  if timeout -k 1 1 true 2>/dev/null; then timeout -k 5 "$@"; else shift; "$@"; fi
}
call_api() {
  wanted=$1
  shift
  {
    within "$whm_s" "$whm" --output=json "$@" 9>&- && status=0 || status=$?
    printf "\nended %s\n" "$status"
  } 2>/dev/null | head -c 4000000 | awk -v wanted="$wanted" "$reading"
}
succeeded() {
  case $1 in
    done*) return 0 ;;
    refused*) reason="WHM refuses: ${1#refused }" ;;
    *" 124") reason="whmapi1 sent no response within $whm_s s" ;;
    *" 137") reason="whmapi1 was killed before it sent a response" ;;
    none*) reason="whmapi1 sent no response and ended with status ${1#none }" ;;
    *) reason="whmapi1 sent a response that cannot be parsed" ;;
  esac
  return 1
}
has_whm() {
  [ -n "$whm" ] && return
  reason="whmapi1 is not installed on the host"
  return 1
}

# The files of a service are found by their directory, which has the name of the service. The first file with the part
# `k`, `l` or `c` is used. The versions are in $folder.
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
file_with() {
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
install_by_arguments() {
  record_event note "whmapi1 here takes nothing on standard input: while it ran the key of $service was in the process list"
  call_api "" install_service_ssl_certificate "service=$service" "crt=$(encoded crt)" "key=$(encoded key)" \
    "cabundle=$(encoded cabundle)" </dev/null
}
install_for() {
  service=$1 version=$2
  shift 2
  leaf=$version$(file_with l "$service" "$@") key=$version$(file_with k "$service" "$@")
  chain=$version$(file_with c "$service" "$@")
  if [ -z "$(first_of CERTIFICATE "$leaf")" ] || ! grep -q "^-----BEGIN .*PRIVATE KEY-----" "$key" 2>/dev/null; then
    verdict=$(call_api "" reset_service_ssl_certificate "service=$service" </dev/null)
  else
    usage=$(within "$whm_s" "$whm" --help </dev/null 2>&1 9>&-) || :
    case $usage in
      *--input*) verdict=$(as_json "$service" | call_api "" --input=json install_service_ssl_certificate) ;;
      *--output*) verdict=$(install_by_arguments) ;;
      *) reason="$service: whmapi1 does not print its usage"; return 1 ;;
    esac
  fi
  succeeded "$verdict" || { reason="$service: $reason"; return 1; }
}
install_version() {
  has_whm || return 1
  version=$folder/$1
  shift
  for each in $(services_of "$@"); do install_for "$each" "$version" "$@" || return 1; done
}
