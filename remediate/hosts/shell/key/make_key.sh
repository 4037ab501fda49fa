# shellcheck shell=sh
# Makes a key and a CSR in $root/$case/pending, or continues with those that were made before. $1: the configuration of
# the CSR for openssl, $2: the subject, then the options of openssl genpkey.
# shellcheck disable=SC2154,SC2034 # variables are shared with the scripts before and after this one
request=$1 subject=$2
shift 2
pending=$root/$case/pending
[ -d "$pending" ] || make_directory 700 "$pending"
cd "$pending" || fail 1 "$pending cannot be entered"
last_of() { printf "%s\n" "$1" | tail -n 1; }
[ -e request.conf ] || printf "%s" "$request" | write_file 600 "$pending/request.conf"
[ "$(cat request.conf)" = "$request" ] || fail 65 "$pending holds a request for other names or another type of key"
if [ ! -e key.pem ]; then
  output=$(openssl genpkey -out key.new "$@" 2>&1) || fail 1 "openssl genpkey: $(last_of "$output")"
  output=$(openssl pkey -in key.new -noout 2>&1) || fail 1 "the new key cannot be read back: $(last_of "$output")"
  durable key.new
  rename_file "$pending/key.new" "$pending/key.pem"
fi
if [ ! -e csr.pem ]; then
  output=$(openssl req -new -sha256 -key key.pem -config request.conf -subj "$subject" -out csr.new 2>&1) ||
    fail 1 "openssl req: $(last_of "$output")"
  output=$(openssl req -in csr.new -noout -verify 2>&1) || fail 1 "the new request is not valid: $(last_of "$output")"
  durable csr.new
  rename_file "$pending/csr.new" "$pending/csr.pem"
fi
cat csr.pem
