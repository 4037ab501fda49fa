# shellcheck shell=sh
# shellcheck disable=SC2154,SC2034,SC2329 # variables and functions are shared with the scripts before and after this one
# The detached script of a switch. Runs after the functions of a deployment and switch/record_state.sh.
# $1: root, $2: directory of the files, $3: version, $4: seconds, $5: `yes` to revert, $6: number of paths; then each
# path with its parts, and for each service its name and the shell that checks, reloads and starts it.
# No process that is started here may hold the lock (descriptor 9) or our output, because it may be a daemon. The
# beginnings of the services' scripts come in environment variables, which are unset so that no daemon inherits them.
trust_text=$trust_sh daemon_text=$daemon_sh
unset trust_sh daemon_sh
trust_sh=$trust_text daemon_sh=$daemon_text
root=$1 folder=$2 name=$3 confirm_within_s=$4 returns=$5 files=$6
shift 6
cd "$folder" || exit 1
trap : HUP
trap leave TERM INT
service_limit=
timeout 1 true 2>/dev/null && service_limit="timeout 60"
offer=$folder/offer.$name taken=$folder/taken.$name withdrawn=$folder/withdrawn.$name
leave() { rename_file "$offer" "$withdrawn" 2>/dev/null || :; }
# run_shell TEXT [WORD…]: runs the shell of a service; only the script of a daemon takes words.
run_shell() {
  text="umask 022
$1"
  shift
  case $text in
    *daemon_text=*) set -- env "trust_sh=$trust_sh" "daemon_sh=$daemon_sh" sh -c "$text" sslaudit "$@" ;;
    *trust_text=*) set -- env "trust_sh=$trust_sh" sh -c "$text" ;;
    *) set -- sh -c "$text" ;;
  esac
  # shellcheck disable=SC2086 # a command and its words
  capture "$folder/output" $service_limit "$@"
  status=$?
  reason=$(tr -c '[:print:]' ' ' <"$folder/output" | cut -c 1-400)
  return $status
}
for_services() {
  what=$1 failed=
  shift $((1 + 2 * files))
  while [ $# -gt 0 ]; do
    case $what in
      test) run_shell "$2" || { reason="$1: $reason"; return 1; } ;;
      see) case $2 in *daemon_text=*) run_shell "$2" sees "$folder/paths" || { reason="$1: $reason"; return 1; } ;; esac ;;
      take-up) run_shell "$3" || { reason="$1: $reason"; return 1; } ;;
      return) return_service "$@" || failed="${failed:+$failed; }$1: $reason" ;;
      note) case $2 in *daemon_text=*) note_units "$1" "$2" ;; esac ;;
    esac
    [ "$what" != take-up ] || record_gap "$1"
    shift 4
  done
  [ -z "$failed" ]
}
record_gap() { case $reason in *gap*) record_event gap "$1 ${reason##*gap }" ;; esac; }
# Notes the units that run a service, so that these are started again. A service that does not run keeps the note of a
# switch that was interrupted.
note_units() {
  run_shell "$2" units && grep -E '^[A-Za-z0-9:_.@\-]+[.]service$' <"$folder/output" >/dev/null || return 0
  grep -E '^[A-Za-z0-9:_.@\-]+[.]service$' <"$folder/output" | write_file 600 "$folder/units.$1"
}
forget_units() { for noted in "$folder"/units.*; do [ ! -e "$noted" ] || remove_file "$noted"; done; }
# return_service SERVICE CHECK RELOAD START: with the previous files; each unit that ran before has to run again.
return_service() {
  units=
  [ ! -f "$folder/units.$1" ] || units=$(cat "$folder/units.$1")
  run_shell "$3"
  reloaded=$?
  record_gap "$1"
  [ "$reloaded" != 0 ] || [ -n "$units" ] || return 0
  # shellcheck disable=SC2086 # a unit a word; none has a wildcard
  run_shell "$4" $units || return 1
  record_gap "$1"
}
# A service that was not reloaded with the new files is not reloaded with the old ones: its configuration may be
# invalid.
was_reloaded=no
revert_switch() {
  cause=$1
  shift
  [ "$returns" = yes ] && [ -L "$folder/way-back" ] || { record_event kept "$cause"; exit 1; }
  record_event returning "$cause"
  revert "$files" "$@" || { record_event kept "$cause; the previous version could not be restored: $reason"; exit 1; }
  if [ "$was_reloaded" = no ] || for_services return "$@"; then
    forget_units
    record_event returned "$cause"
  else record_event broken "$cause; with the previous files restored: $failed"
  fi
  exit 1
}
# No service has loaded the new files, so files that are partly exchanged go back also if the old key is compromised: the
# services would not start with one file of each version.
not_activated() {
  cause=$reason
  is_untouched "$files" "$@" || { returns=yes; revert_switch "$cause" "$@"; }
  [ ! -L "$folder/way-back" ] || rename_file "$folder/way-back" "$folder/live"
  forget_units
  record_event refused "$cause"
  exit 1
}
confirmed() {
  forget_units
  remove_file "$taken"
  remove_file "$folder/way-back"
  record_event confirmed "$1"
  exit 0
}
# Sets $now_s to the uptime of the host in seconds.
read_uptime() { read -r now_s _ </proc/uptime; now_s=${now_s%%.*}; }

live=$(readlink "$folder/live")
if [ -e "$folder/taken.$live" ] && [ ! -L "$folder/moving" ]; then
  mark_proven "$live"
  [ "$live" != "$name" ] || confirmed "before a crash"
fi
for left in "$folder"/offer.* "$folder"/taken.* "$folder"/withdrawn.* "$folder/way-back"; do remove_file "$left"; done
back=$(readlink "$folder/proven")
[ "$back" = "$name" ] || point_link "$folder/way-back" "$back" || {
  record_event refused "the link to the previous version cannot be made"
  exit 1
}

reason=$(verify_key_matches "$folder/$name" "$files" "$@") || not_activated "$@"
left=$files
for path in "$@"; do
  [ "$left" -gt 0 ] || break
  [ "${is_parts:-no}" = yes ] && { is_parts=no; continue; }
  printf '%s\0' "$path"
  is_parts=yes left=$((left - 1))
done | write_file 600 "$folder/paths"
for_services see "$@" || not_activated "$@"
for_services note "$@"
for_services test "$@" && before='' || before=" (as it did before the switch)"
record_event switching "from $live"
activate "$name" "$files" "$@" || not_activated "$@"
record_event switched ""
for_services see "$@" || revert_switch "$reason" "$@"
for_services test "$@" || revert_switch "the configuration check failed$before: $reason" "$@"
was_reloaded=yes
for_services take-up "$@" || revert_switch "the new files were not loaded: $reason" "$@"
record_event taken-up ""
[ "$confirm_within_s" -gt 0 ] || { mark_proven "$name"; confirmed "without a controller, as requested"; }
write_file 600 "$offer" </dev/null
record_event waiting "$confirm_within_s s for a confirmation"
read_uptime
end=$((now_s + confirm_within_s)) pauses=0 pause=0.1
while [ -e "$offer" ] && [ "$now_s" -lt "$end" ]; do
  sleep "$pause" 2>/dev/null || sleep 1
  pauses=$((pauses + 1))
  [ "$pauses" -lt 20 ] || pause=0.5 # each pause is a process
  read_uptime
done
rename_file "$offer" "$withdrawn" 2>/dev/null && revert_switch "not confirmed within $confirm_within_s s" "$@"
[ -e "$taken" ] || revert_switch "reverted on request" "$@"
mark_proven "$name"
confirmed "in time"
