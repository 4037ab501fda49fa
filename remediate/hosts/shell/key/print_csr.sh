# shellcheck shell=sh
# Prints the CSR in $root/$case/pending, if there is one.
# shellcheck disable=SC2154,SC2034 # variables are shared with the scripts before and after this one
cat "$root/$case/pending/csr.pem" 2>/dev/null || :
