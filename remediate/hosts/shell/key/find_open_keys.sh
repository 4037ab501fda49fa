# shellcheck shell=sh
# Prints a word for each key file that others can read or write, or that its group can write.
# An ACL's mask shows as the group's bits: a file with an ACL is looked at in the same way, and its mask is cut.
# shellcheck disable=SC2154,SC2034 # variables are shared with the scripts before and after this one
for path in "$@"; do
  case $(stat -L -c %a -- "$path") in *[1-7] | *[2367]?) echo open ;; esac
done
