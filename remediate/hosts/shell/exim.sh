# shellcheck shell=sh
# exim: it reads certificate and key at each connection if it expands their paths anew, else when it starts.
# What it has read at its start it reads again if their directories change; SIGHUP makes it start anew in the same process.
# Its daemon gives up root for the user that owns its spool directory. Without systemd no trace is left of who started
# such a process: it counts if it runs the host's own program, it is never asked with its own words, and it is signalled
# with that user's rights, by which the kernel lets it reach that user's processes alone.
# shellcheck disable=SC2154,SC2034 # variables are shared with the scripts before and after this one
accepts() {
  [ -z "$dropped" ] || return 1
  user=$(sed -n "s/^Uid:[[:space:]]*\([0-9]*\)[[:space:]]*\1[[:space:]]*\1[[:space:]].*/\1/p" "/proc/$1/status")
  for each in $processes; do
    program=$(command -v "$each") && runs_program "$1" "$program" && break
    program=
  done
  [ -n "$program" ] || return 1
  spool=$(run_trusted "$program" -bP spool_directory 2>/dev/null)
  spool=${spool#spool_directory = }
  owner_of "$spool" && [ -n "$user" ] && [ "$user" = "$owner_uid" ] && dropped=$1
}
# Sets $bin and the options by which this process was started, if they may be used: a dropped one has none of its own.
use_program() {
  if [ "$1" = "$dropped" ]; then bin=$program c=; return; fi
  judge_words "$1" -C
  c=$(option -C)
}
check_config() {
  for pid in $first; do
    use_program "$pid"
    run_trusted "$bin" ${c:+-C "$c"} -bV >/dev/null || return 1
  done
}
reload() {
  for pid in $first; do
    use_program "$pid"
    case $(run_trusted "$bin" ${c:+-C "$c"} -bP tls_certificate tls_privatekey) in
      *tls_certificate*\$*tls_privatekey*\$*) ;;
      *) hang_up "$pid" || exit 1 ;;
    esac
  done
  pause 0.5
  stays
}
hang_up() {
  # shellcheck disable=SC2016 # the owner's shell expands it
  if [ "$1" = "$dropped" ]; then as_owner "$spool" 'kill -HUP "$1"' "$1"; else kill -HUP "$1"; fi
}
