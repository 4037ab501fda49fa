# shellcheck shell=sh
# Reports why the passphrase in file $1 does not decrypt the encrypted ones of the keys at the paths that follow.
# shellcheck disable=SC2154,SC2034 # variables are shared with the scripts before and after this one
passphrase=$1
shift
trusted_path "$passphrase" && [ -f "$real" ] || { echo "lacks $passphrase is not used: ${why:-it is not a file}"; exit; }
file=$real
for path in "$@"; do
  content_of "$path" | is_encrypted || continue
  content_of "$path" | openssl pkey -passin "file:$file" -noout 2>/dev/null ||
    echo "lacks the passphrase in $passphrase does not decrypt $path"
done
