# shellcheck shell=sh disable=SC2154
# Handshakes that a host makes with its own services. It needs the functions of trust/ and prologue.sh.

handshakes=0
begin_handshakes() { folder=$(mktemp -d) || exit 126; }

# s_client PLACE NAME PROTOCOL KEY: "-" stands for none; KEY is the only type of key that is offered, rsa or ecdsa.
s_client() {
  place=$1 name=$2 protocol=$3 key=$4
  set -- openssl s_client -connect "$place" -showcerts -status
  [ "$name" = - ] || set -- "$@" -servername "$name"
  [ "$protocol" = - ] || set -- "$@" -starttls "$protocol"
  case $key in
  rsa) set -- "$@" -cipher aRSA -sigalgs RSA-PSS+SHA256:RSA-PSS+SHA384:RSA-PSS+SHA512:RSA+SHA256:RSA+SHA384:RSA+SHA512 ;;
  ecdsa) set -- "$@" -cipher aECDSA -sigalgs ECDSA+SHA256:ECDSA+SHA384:ECDSA+SHA512 ;;
  esac
  SSL_CERT_FILE=/dev/null $limit "$@" # nothing is verified: it need not read the CA certificates of the host
}

# handshake SECTION PLACE NAME PROTOCOL KEY: eight at once, because a mail server bans a client that opens more.
handshake() {
  (section "$1" s_client "$2" "$3" "$4" "$5") | write_file 600 "$folder/$1" &
  handshakes=$((handshakes + 1))
  [ $((handshakes % 8)) != 0 ] || wait
}

end_handshakes() {
  wait
  cat "$folder"/*
  remove_tree "$folder"
}
