# shellcheck shell=sh
# shellcheck disable=SC2154,SC2034,SC2329 # variables and functions are shared with the scripts before and after this one
# Prints the leaf of a version. Prepended: common/workdir.sh.
version=$root/$case/$1/$2
shift 2
while [ $# -gt 0 ]; do
  case $2 in *l*)
    sed -n "/^-----BEGIN CERTIFICATE-----/,/^-----END CERTIFICATE-----/{p;/^-----END/q;}" "$version$1" || exit 1
    exit
  esac
  shift 2
done
