# shellcheck shell=sh
# Prints `open` for each key file that others can read or write, or that its group can write. If the file has an ACL,
# the group bits of the mode are the mask of the ACL.
# shellcheck disable=SC2154,SC2034 # variables are shared with the scripts before and after this one
[ $# -gt 0 ] || exit 0
stat -L -c %a -- "$@" | while read -r mode; do
  case $mode in *[1-7] | *[2367]?) echo open ;; esac
done
