# shellcheck shell=sh
# shellcheck disable=SC2154,SC2034,SC2329 # variables and functions are shared with the scripts before and after this one
# Starts the detached script. $1: the functions that it needs, $2: services/daemon.sh, $3: switch/run_switch.sh, then as
# for that script. Runs after common/lock.sh and switch/keep_current_files.sh.
daemon_sh=$2 detached=$3 folder=$root/$case/$4 name=$5 confirm_within_s=$6 returns=$7 files=$8
shift 8
cd "$folder" || fail 65 "no version is staged in $folder"
case $name in proven | before) name=$(readlink "$name") || fail 65 "there is no version $name" ;; esac
[ -d "$folder/$name" ] || fail 65 "version $name is not staged"
replace_links "$files" "$@" || fail 1 "a link of an earlier version of this program cannot be replaced by a file: ${why:-}"
reason=$(verify_key_matches "$folder/$name" "$files" "$@") || { recover "$files" "$@"; record_event refused "$reason"; fail 1 "$reason"; }
[ ! -L "$folder/moving" ] || [ "$(readlink "$folder/moving")" = "$name" ] || recover "$files" "$@"
keep_current_files "$files" "$@" || fail 1 "the files at the configured paths cannot be kept as a version"
record_event begun "$owner"
export trust_sh daemon_sh
start_detached sh -c "$trust_sh
$library
$detached" sslaudit-switch "$root" "$folder" "$name" "$confirm_within_s" "$returns" "$files" "$@" ||
  fail 1 "the detached script was not started: systemd did not respond to systemd-run in time"
echo "begun $name"
