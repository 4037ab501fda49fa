# shellcheck shell=sh
# Runs the renewal of the agent that owns a certificate: $1 time limit, $2 number of bytes of its output to print, then
# the paths of the certificate files. The script of the agent sets the command as "$@". Root runs no program that
# another user can change.
# shellcheck disable=SC2154,SC2034 # variables are shared with the scripts before and after this one
set_limit "$1"
# shellcheck disable=SC2034 # read by renew/run.sh, which comes last
printed=$2 line_end='
'
shift 2
PATH=$PATH:/snap/bin
for path in "$@"; do
  case $path in *"$line_end"*) fail 65 "a path with a line break is not looked for among an agent's files" ;; esac
done
places() { for path in "$@"; do echo "$path"; readlink -f -- "$path" || :; done; }
only() {
  [ -n "$1" ] || fail 69 "$2"
  [ "$(echo "$1" | wc -l)" = 1 ] || fail 65 "it is not clear which is meant: $(echo "$1" | tr "\n" " ")"
}
needs_trust() { trusted_path "$1" || fail 77 "$1 is not used as root: $why"; }
# Every file of a tree has to belong to root or to the login user, and no other user may write it.
needs_trusted_tree() {
  needs_trust "$1"
  strange=$(find "$real" \( ! -user 0 ! -user "$(id -u)" \) -o \( ! -type l \( -perm -0002 -o -perm -0020 ! -group 0 \) \) |
    head -n 1)
  [ -z "$strange" ] || fail 77 "$strange is not used as root: a user other than root owns it or can write to it"
}
