# shellcheck shell=sh
# shellcheck disable=SC2154,SC2034,SC2329 # variables and functions are shared with the scripts before and after this one
# The detached script of a switch. Prepended: the shell of a deployment, switch/record_state.sh.
# $1: root, $2: directory of the files, $3: version, $4: seconds, $5: yes to go back, $6: how many paths; then paths and
# parts in turn, and for each service its name, its test, how it takes its files up and how it is started, in shell.
# Nothing that is started here may hold the lock (descriptor 9) or our output: it may be a daemon.
# The texts that the services' scripts begin with come by the environment, from which no daemon is to inherit them.
trust_text=$trust_sh daemon_text=$daemon_sh
unset trust_sh daemon_sh
trust_sh=$trust_text daemon_sh=$daemon_text
root=$1 folder=$2 name=$3 patience=$4 returns=$5 files=$6
shift 6
cd "$folder" || exit 1
trap : HUP
trap leave TERM INT
service_limit=
timeout 1 true 2>/dev/null && service_limit="timeout 60"
offer=$folder/offer.$name taken=$folder/taken.$name withdrawn=$folder/withdrawn.$name
leave() { rename_file "$offer" "$withdrawn" 2>/dev/null || :; }
# try TEXT [WORD…]: runs the shell of a service; a daemon's own takes words.
try() {
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
services() {
  what=$1 failed=
  shift $((1 + 2 * files))
  while [ $# -gt 0 ]; do
    case $what in
      test) try "$2" || { reason="$1: $reason"; return 1; } ;;
      see) case $2 in *daemon_text=*) try "$2" sees "$folder/paths" || { reason="$1: $reason"; return 1; } ;; esac ;;
      take-up) try "$3" || { reason="$1: $reason"; return 1; } ;;
      return) try "$3" || try "$4" || failed="${failed:+$failed; }$1: $reason" ;;
    esac
    case "$what $reason" in
      test* | see*) ;;
      *gap*) say gap "$1 ${reason##*gap }" ;;
    esac
    shift 4
  done
  [ -z "$failed" ]
}
# A service that was not reloaded with the new files is not reloaded with the old ones: its configuration may be bad.
is_told=no
go_back() {
  cause=$1
  shift
  [ "$returns" = yes ] && [ -L "$folder/way-back" ] || { say kept "$cause"; exit 1; }
  say returning "$cause"
  revert "$files" "$@" || { say kept "$cause; and there is no way back: $reason"; exit 1; }
  if [ "$is_told" = no ] || services return "$@"; then say returned "$cause"; else say broken "$cause; after the way back $failed"; fi
  exit 1
}
not_activated() {
  cause=$reason
  is_untouched "$files" "$@" || go_back "$cause" "$@"
  [ ! -L "$folder/way-back" ] || rename_file "$folder/way-back" "$folder/live"
  say refused "$cause"
  exit 1
}
confirmed() {
  remove_file "$taken"
  remove_file "$folder/way-back"
  say confirmed "$1"
  exit 0
}
seconds() { read -r up _ </proc/uptime; echo "${up%%.*}"; }

live=$(readlink "$folder/live")
if [ -e "$folder/taken.$live" ] && [ ! -L "$folder/moving" ]; then
  prove "$live"
  [ "$live" != "$name" ] || confirmed "before a crash"
fi
for left in "$folder"/offer.* "$folder"/taken.* "$folder"/withdrawn.* "$folder/way-back"; do remove_file "$left"; done
back=$(readlink "$folder/proven")
[ "$back" = "$name" ] || point_link "$folder/way-back" "$back" || { say refused "no way back can be laid"; exit 1; }

reason=$(agree "$folder/$name" "$files" "$@") || not_activated "$@"
left=$files
for path in "$@"; do
  [ "$left" -gt 0 ] || break
  [ "${is_parts:-no}" = yes ] && { is_parts=no; continue; }
  printf '%s\0' "$path"
  is_parts=yes left=$((left - 1))
done | write_file 600 "$folder/paths"
services see "$@" || not_activated "$@"
services test "$@" && before='' || before=" (nor was it before)"
say switching "from $live"
activate "$name" "$files" "$@" || not_activated "$@"
say switched ""
services see "$@" || go_back "$reason" "$@"
services test "$@" || go_back "the configuration is not good$before: $reason" "$@"
is_told=yes
services take-up "$@" || go_back "not taken up: $reason" "$@"
say taken-up ""
[ "$patience" -gt 0 ] || { prove "$name"; confirmed "without a controller, as requested"; }
write_file 600 "$offer" </dev/null
say waiting "$patience s for a confirmation"
end=$(($(seconds) + patience))
while [ -e "$offer" ] && [ "$(seconds)" -lt "$end" ]; do sleep 0.1 2>/dev/null || sleep 1; done
rename_file "$offer" "$withdrawn" 2>/dev/null && go_back "not confirmed within $patience s" "$@"
[ -e "$taken" ] || go_back "called back" "$@"
prove "$name"
confirmed "in time"
