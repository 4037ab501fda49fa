# shellcheck shell=sh
# shellcheck disable=SC2154,SC2034,SC2329 # variables and functions are shared with the scripts before and after this one
# Reports why the files at the paths $@ cannot be replaced. Runs after inspect/begin_requirements.sh.
flags_of() { lsattr -d -- "$1" 2>/dev/null | cut -d ' ' -f 1; }
cannot_change() {
  case $(flags_of "$1") in
    *a* | *i*) lacks "$1 cannot be replaced: it is immutable or append-only; allow it: chattr -ia $1"; return ;;
  esac
  case $(flags_of "${1%/*}") in
    *a* | *i*) lacks "$1 cannot be replaced: no file in ${1%/*} can be renamed; allow it: chattr -ia ${1%/*}"; return ;;
  esac
  [ -e "$1" ] && [ "$(id -u)" = 0 ] && ! [ -w "$1" ] || return 0
  mount_of "$1"
  lacks "$1 cannot be replaced: $mount_point is mounted read-only; allow it: mount -o remount,rw $mount_point"
}
# A file in another user's directory is replaced with the rights of that user, and only if it belongs to that user.
cannot_act() {
  ! trusted_path "${1%/*}" || return 0
  unsafe_why=$why
  owner_of "${1%/*}" || { lacks "$1 is not replaced: $why"; return; }
  if [ "$owner_uid" = "$(id -u)" ]; then lacks "$1 is not replaced: $unsafe_why"
  elif [ "$(id -u)" != 0 ]; then lacks "$1 is not replaced: $unsafe_why, and only root can act for that user"
  elif [ ! -e "$1" ]; then lacks "$1 is not made: $unsafe_why"
  elif [ "$(stat -L -c %u -- "$1")" != "$owner_uid" ]; then
    lacks "$1 is not replaced: $unsafe_why, but the file to uid $(stat -L -c %u -- "$1"): a new key would be given to a user" \
      "who could not read the old one"
  elif ! command -v setpriv >/dev/null && ! command -v runuser >/dev/null && ! command -v su >/dev/null; then
    lacks "$1 is not replaced: $unsafe_why, and the host has no setpriv, runuser or su"
  fi
}
cp --help 2>&1 | grep -q -e '--attributes-only' ||
  lacks "cp on the host cannot copy the attributes of a file (GNU coreutils can): owner, mode, ACL and SELinux label" \
    "of the old files would be lost"
for path in "$@"; do
  cannot_change "$path"
  cannot_act "$path"
done
