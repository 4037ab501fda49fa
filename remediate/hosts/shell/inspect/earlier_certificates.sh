# shellcheck shell=sh
# Prints the certificates that other cases left in the work directory. No line of a key is printed.
# shellcheck disable=SC2154,SC2034 # variables are shared with the scripts before and after this one
find "$root" -path "$root/$case" -prune -o -path "$root/*/pending*" -prune -o -type f -size -256k -print 2>/dev/null |
  head -n 200 | while IFS= read -r file; do
    sed -n "/^-----BEGIN CERTIFICATE-----/,/^-----END CERTIFICATE-----/p" "$file"
  done
