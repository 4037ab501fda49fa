# shellcheck shell=sh
# shellcheck disable=SC2154,SC2034,SC2329 # variables and functions are shared with the scripts before and after this one
# Stages a version next to the others: $1 directory, $2 name, $3 path of the key, $4 leaf, $5 chain, $6 file with a
# passphrase or nothing, then paths and parts. A new key is encrypted by the passphrase if the old one is encrypted. Some
# servers read Diffie-Hellman parameters from the file of their key, so these stay in the file.
# Runs after common/lock.sh and deployment/version_files.sh.
folder=$root/$case/$1 name=$2 key=$3 leaf=$4 chain=$5 passphrase=$6
shift 6
[ -d "$folder" ] || make_directory 700 "$folder"
[ ! -d "$folder/$name" ] || { echo "staged $name"; exit 0; }
[ -r "$key" ] || fail 1 "the key $key does not exist or cannot be read"
for left in "$folder"/*.part; do [ ! -e "$left" ] || remove_tree "$left"; done
new=$folder/$name.part
make_directory 700 "$new"
trap 'status=$?; [ "$status" = 0 ] || { full; remove_tree "$new"; remove_file "$folder/key.part"; }; exit "$status"' EXIT
print_content() {
  case $1 in k*) content_of "$key" | sed -n "/^-----BEGIN .*PRIVATE KEY-----/,/^-----END/p" ;; esac
  case $1 in *l*) printf '%s' "$leaf" ;; esac
  case $1 in *c*) printf '%s' "$chain" ;; esac
  [ ! -e "$2" ] || content_of "$2" | sed -n "/^-----BEGIN \(X9.42 \)\{0,1\}DH PARAMETERS-----/,/^-----END/p"
}
has_plain_key() {
  case $2 in *k*) ! [ -e "$1" ] || ! content_of "$1" | is_encrypted ;; esac
}
# Sets $key to a copy of the key that is encrypted, and $plain to the key itself.
plain=
encrypt_key() {
  trusted_path "$passphrase" && [ -f "$real" ] || fail 77 "$passphrase is not used: ${why:-it is not a regular file}"
  passphrase=$real plain=$key key=$folder/key.part
  openssl pkcs8 -topk8 -v2 aes-256-cbc -in "$plain" -passin pass: -passout "file:$passphrase" | write_file 600 "$key"
  [ "$(openssl pkey -in "$key" -passin "file:$passphrase" -pubout | digest)" = "$(public_of_key "$plain")" ] ||
    fail 1 "the new key cannot be encrypted by the passphrase in $passphrase"
}
verify_plain_key() { [ -z "$plain" ] || same_key "$plain" "$(public_of_key "$plain")"; }
stage_file() {
  make_parents "$new$1" 700
  print_content "$2" "$1" | write_file 600 "$new$1"
  [ "$(print_content "$2" "$1" | digest)" = "$(digest <"$new$1")" ] || fail 1 "$new$1 does not hold what was written to it"
  if [ ! -e "$1" ]; then
    case $2 in *k*) ;; *) change_mode 644 "$new$1" ;; esac
  elif can_reach "$1"; then copy_attributes "$real" "$new$1"
  else change_mode "$(mode_of "$1")" "$new$1"
  fi
  same_as "$new$1" "$1" || restrict_key "$new$1" "$2"
}
[ -z "$passphrase" ] || for_each has_plain_key $(($# / 2)) "$@" || encrypt_key
for_each stage_file $(($# / 2)) "$@"
reason=$(verify_key_matches "$new" $(($# / 2)) "$@" && verify_plain_key) || fail 1 "$reason"
[ -z "$plain" ] || remove_file "$key"
durable "$folder"
rename_file "$new" "$folder/$name"
echo "staged $name"
