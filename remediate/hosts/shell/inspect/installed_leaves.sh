# shellcheck shell=sh
# Prints the first certificate of each file, after a line with the number of its argument. Only lines that belong to a
# certificate are printed: no line of a key, and no line that looks like one of ours.
# shellcheck disable=SC2154,SC2034 # variables are shared with the scripts before and after this one
carriage_return=$(printf '\r')
leaf_of() {
  [ -f "$1" ] && [ -r "$1" ] || return 0
  # shellcheck disable=SC2086 # $limit is a command with its options, or nothing
  $limit head -c 1048576 -- "$1" 2>/dev/null | sed -n "s/$carriage_return//g
    /^-----BEGIN CERTIFICATE-----/,/^-----END CERTIFICATE-----/{
    /^-----BEGIN CERTIFICATE-----/p
    /^[A-Za-z0-9+\/]*=\{0,2\}\$/p
    /^-----END/{p
    q
    }
  }"
}
number=0
for path in "$@"; do
  number=$((number + 1))
  echo "== $number"
  leaf_of "$path"
done
