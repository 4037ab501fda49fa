# shellcheck shell=sh
# shellcheck disable=SC2154,SC2034,SC2329 # variables and functions are shared with the scripts before and after this one
# Verifies that keys and certificates of a version belong together. The checks of several servers accept a key that does
# not match the certificate; the servers then fail every handshake, or stop. Keys are compared by digest, so that no
# shell variable holds a key.
if command -v sha256sum >/dev/null; then digest() { sha256sum | { read -r sum _ && echo "$sum"; }; }
else digest() { openssl dgst -sha256 -r | cut -c 1-64; }
fi
# same_content FILE FILE: returns whether two files have the same content.
if command -v cmp >/dev/null; then same_content() { cmp -s -- "$1" "$2"; }
else same_content() { [ "$(digest <"$1")" = "$(digest <"$2")" ]; }
fi
nothing=e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 # SHA-256 of an empty input
# openssl x509 and s_client read all CA certificates of the host first, which takes longer than all else, if no file is named.
public_of_certificate() { SSL_CERT_FILE=/dev/null openssl x509 -in "$1" -noout -pubkey 2>/dev/null </dev/null | digest; }
public_of_key() { openssl pkey -in "$1" -passin pass: -pubout 2>/dev/null </dev/null | digest; }
# is_encrypted: returns whether standard input has an encrypted key.
is_encrypted() { grep -q -e '^-----BEGIN ENCRYPTED PRIVATE KEY-----' -e '^Proc-Type: 4,ENCRYPTED'; }
# for_each FUNCTION COUNT PATH PARTS …: calls the function with each pair until it fails. Calls cannot be nested.
for_each() {
  does=$1 left=$2
  shift 2
  while [ "$left" -gt 0 ]; do
    "$does" "$1" "$2" || return 1
    shift 2
    left=$((left - 1))
  done
}
# verify_key_matches DIRECTORY COUNT PATH PARTS …: fails and prints why if a key does not match the certificate. An
# encrypted key cannot be compared: it is an earlier one of the host, or was compared before it was encrypted.
verify_key_matches() {
  checked=$1 expected=
  shift
  for_each verify_file "$@"
}
verify_file() {
  case $2 in *l*) same_key "$1" "$(public_of_certificate "$checked$1")" || return 1 ;; esac
  case $2 in *k*) is_encrypted <"$checked$1" || same_key "$1" "$(public_of_key "$checked$1")" || return 1 ;; esac
}
same_key() {
  [ "$2" != "$nothing" ] || { echo "no public key can be read from $1"; return 1; }
  [ "${expected:=$2}" = "$2" ] || { echo "the key does not belong to the certificate: $1"; return 1; }
}
