# shellcheck shell=sh disable=SC2154,SC2086,SC2034  # a line of the request a word; collect reads wanted
# Verifies a request on standard input, and carries it out.
new_line='
'
request=$(head -c 262144)
exec </dev/null
set -f
IFS=$new_line
set -- $request
unset IFS

refuse() {
  echo "sslaudit-collector: the request is not valid: $1" >&2
  exit 2
}
header=${1-}
case $header in
"sslaudit-request $version "*) nonce=${header##* } ;;
"sslaudit-request "*)
  echo "sslaudit-collector $version"
  exit 3
  ;;
*) refuse "it has no header" ;;
esac
case $nonce in "" | *[!A-Za-z0-9-]*) refuse "the nonce is not a word" ;; esac
shift

# A line of the request in its words: $kind, $first, $second and so on; a path may contain spaces, and is the last.
split_line() {
  kind=${line%% *} rest=${line#"$kind"}
  rest=${rest# }
  first=${rest%% *} rest=${rest#"$first"}
  rest=${rest# }
}
is_place() {
  case $1 in
  "" | *[!0-9a-fA-F.:[\]]* | *[!0-9]) return 1 ;;
  esac
}
verify() {
  split_line
  case $kind in
  host | services | firewall) [ "$line" = "$kind" ] ;;
  tls)
    case $first in */sieve | */lmtp) first=${first%/*} ;; esac
    [ -z "$rest" ] && is_place "$first"
    ;;
  tokens) case $line in "tokens /"*) ;; *) return 1 ;; esac ;;
  file)
    case $first in "" | *[!0-9a-f]*) return 1 ;; esac
    case $rest in "k /"* | "c /"* | "ck /"*) ;; *) return 1 ;; esac
    ;;
  handshake)
    set -- $rest
    case $#,${5-} in 4, | 5,proxy) ;; *) return 1 ;; esac
    is_place "$1" || return 1
    case $first in "" | *[!0-9a-z]*) return 1 ;; esac
    case $2 in -) ;; -* | *[!A-Za-z0-9._*-]*) return 1 ;; esac
    case $3 in - | smtp | imap | pop3 | ftp | sieve | lmtp) ;; *) return 1 ;; esac
    case $4 in - | rsa | ecdsa) ;; *) return 1 ;; esac
    ;;
  *) return 1 ;;
  esac
}
for line in "$@"; do verify || refuse "$(printf %s "$line" | tr -c ' -~' '?' | head -c 120)"; done

is_file='' tried='' is_handshake='' folders=''
for line in "$@"; do
  split_line
  case $kind in
  host | services)
    wanted=''
    [ "$kind" = host ] || wanted=$known_services
    set +f
    collect
    set -f
    ;;
  tls) tried="$tried $first" ;;
  tokens) folders="$folders${line#tokens }$new_line" ;;
  firewall)
    load_firewall
    set +f
    firewall
    set -f
    ;;
  file)
    [ -n "$is_file" ] || load_files
    is_file=yes
    section "file.$first" look "${rest%% *}" "${rest#* }"
    ;;
  handshake)
    [ -n "$is_handshake" ] || begin_handshakes
    is_handshake=yes
    handshake "$first" $rest
    ;;
  esac
done
[ -z "$tried" ] || section unknown_sockets try_sockets $tried
if [ -n "$folders" ]; then
  IFS=$new_line
  set -- $folders
  unset IFS
  section tokens tokens "$token_name" "$@"
fi
set +f
[ -z "$is_handshake" ] || end_handshakes
section "done" :
