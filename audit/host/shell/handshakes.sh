# shellcheck shell=sh disable=SC2154
# Handshakes that a host makes with its own services. It needs the functions of trust/ and prologue.sh, and $proxy_relay
# for services that expect the PROXY protocol.

handshakes=0

# SCTs are requested only if openssl has the option; else it would make no handshake.
begin_handshakes() {
  folder=$(mktemp -d) && sockets=$(mktemp -d) || exit 126
  perl=$(command -v perl)
  [ -z "$perl" ] || trusted_path "$perl" || perl=''
  case $(openssl s_client -help 2>&1) in
  *-serverinfo*) scts="-serverinfo 18 -tlsextdebug" ;;
  *) scts='' ;;
  esac
}

# s_client SECTION PLACE NAME PROTOCOL KEY HEADER: "-" stands for none; KEY is the only type of key that is offered, rsa or
# ecdsa; HEADER is proxy if the service gets the header of the PROXY protocol.
s_client() {
  socket=$sockets/$1 place=$2 name=$3 protocol=$4 key=$5 header=$6
  set -- openssl s_client -connect "$place" -showcerts -status
  if [ "$header" = proxy ]; then
    [ -n "$perl" ] || { echo "no perl" && return 1; }
    set -- "$perl" -e "$proxy_relay" "$socket" "$place" openssl s_client -unix "$socket" -showcerts -status
    [ "$name" != - ] || set -- "$@" -noservername
  fi
  [ "$name" = - ] || set -- "$@" -servername "$name"
  [ "$protocol" = - ] || set -- "$@" -starttls "$protocol"
  case $key in
  rsa) set -- "$@" -cipher aRSA -sigalgs RSA-PSS+SHA256:RSA-PSS+SHA384:RSA-PSS+SHA512:RSA+SHA256:RSA+SHA384:RSA+SHA512 ;;
  ecdsa) set -- "$@" -cipher aECDSA -sigalgs ECDSA+SHA256:ECDSA+SHA384:ECDSA+SHA512 ;;
  esac
  # shellcheck disable=SC2086 # options
  set -- "$@" $scts
  PERL5OPT='' PERL5LIB='' SSL_CERT_FILE=/dev/null $limit "$@" # nothing is verified: it need not read the CA certificates of the host
}

# handshake SECTION PLACE NAME PROTOCOL KEY [HEADER]: eight at once, because a mail server bans a client that opens more.
handshake() {
  (section "$1" s_client "$1" "$2" "$3" "$4" "$5" "${6:--}") | write_file 600 "$folder/$1" &
  handshakes=$((handshakes + 1))
  [ $((handshakes % 8)) != 0 ] || wait
}

end_handshakes() {
  wait
  cat "$folder"/*
  remove_tree "$folder"
  remove_tree "$sockets"
}
