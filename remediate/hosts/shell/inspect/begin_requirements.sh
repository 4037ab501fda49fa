# shellcheck shell=sh
# Begins the report of what a host lacks for a repair: $1 kB and $2 files are needed besides the versions.
# shellcheck disable=SC2154,SC2034 # variables are shared with the scripts before and after this one
echo "now $(date +%s)"
# shellcheck disable=SC2034 # read by inspect/check_host.sh, which follows
room=$1 files=$2 me=$(id -un) groups=" $(id -G) "
shift 2
lacks() { echo "lacks $*"; }
# mount_of PATH: sets $mount_point and $mount_source of the file system that the path is on.
mount_of() {
  mount_point='' mount_source=''
  while read -r _ _ _ _ point more; do
    case $point in *\\*) point=$(printf '%b' "$point") ;; esac
    case $1/ in
      "${point%/}"/*)
        [ "${#point}" -ge "${#mount_point}" ] || continue
        mount_point=$point mount_source=${more#* - * }
        mount_source=${mount_source%% *}
        ;;
    esac
  done </proc/self/mountinfo
}
