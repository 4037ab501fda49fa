# shellcheck shell=sh
# Finds the processes of a daemon, tests its configuration, and lets it read its files again.
# $name: the service, $processes: what /proc/PID/comm says, with spaces around each. Only trusted processes count:
# no other is signalled, restarted, or run with its own arguments. A process in another network or root is a container's.
# shellcheck disable=SC2154,SC2034 # variables are shared with the scripts before and after this one
LC_ALL=C
export LC_ALL
skipped=
set_limit 60
ours() {
  [ "$(readlink "$1/ns/net")" = "$(readlink /proc/self/ns/net)" ] && [ "$1/root" -ef /proc/self/root ]
}
listens() {
  # shellcheck disable=SC2012 # names of descriptors are numbers
  for s in $(ls -l "$1/fd" | sed -n "s/.*socket:\[\([0-9]*\)\].*/\1/p"); do
    grep -q "^ *[0-9]*: [0-9A-F:]* [0-9A-F:]* 0A .* $s " /proc/net/tcp /proc/net/tcp6 && return 0
  done
  return 1
}
named_so() {
  comm=
  read -r comm <"/proc/$1/comm" && [ -n "$comm" ] || return 1
  case $processes in *" $comm "*) ;; *) return 1 ;; esac
}
# Sets $state, $parent and $began (in ticks since boot) of a process; its name may hold spaces and parentheses.
stat_of() {
  stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
  # shellcheck disable=SC2086 # numbers
  set -- ${stat##*)}
  state=$1 parent=$2 began=${20}
}
is_first() {
  stat_of "$1" && [ "$state" != Z ] || return 1
  ! { own=$comm && named_so "$parent" && [ "$comm" = "$own" ] && ours "/proc/$parent" && trusted_process "$parent"; } ||
    return 1
  ours "/proc/$1" && serves "$1"
}
# Whether a first process listens; if its children do so, a service says it in a script of its own.
serves() { listens "/proc/$1"; }
# Adds to $skipped why processes that listen are not first ones, if a service has a reason of its own.
explain_others() { :; }
# Whether a process that is not trusted counts: a service that gives up root says so in a script of its own.
accepts() { return 1; }
# Sets $first to the first processes that are trusted, $units to their systemd units, and $skipped to a sentence about each
# other one that listens.
find_first() {
  first='' units='' skipped='' dropped=''
  for p in /proc/[0-9]*; do
    pid=${p#/proc/}
    named_so "$pid" || continue
    is_first "$pid" || continue
    if trusted_process "$pid"; then first="$first $pid" && add_unit
    elif reason=$why && accepts "$pid"; then first="$first $pid"
    else skipped="$skipped; $reason: not inspected"
    fi
  done 2>/dev/null
  explain_others
}
add_unit() {
  own_unit "$pid" && case " $units " in *" $unit "*) ;; *) units="$units $unit" ;; esac
}
runs() { [ -n "$first" ] || { echo "$name does not run$skipped"; exit 1; }; }
# The value of an option of a process whose words are in $words: its next word, or the rest of the same one.
option() { printf "%s\n" "$words" | sed -n "/^$1\$/{n;p;};s/^$1\(.\)/\1/p" | head -n 1; }
# Sets $bin and $words of process $1, whose options $2… name files; ends if root may not use them.
judge_words() {
  run_in=$1
  trusted_process "$1" || { echo "$name is not tested: $why"; exit 77; }
  trusted_words "$@" || { echo "$name is not tested with its own options: $why"; exit 77; }
}
# check [sees FILE | units | masked | since SECONDS]: the daemon's own test; or whether each of its processes sees the files of
# a list, NUL after each, as they are on the host (a unit with a root or mounts of its own may not); or its units that run,
# a line each; or those of them that are masked; or when its processes began and what it has logged since a time.
check() {
  case ${1-} in
    sees) sees "$2" ;;
    units) for unit in $units; do printf "%s\n" "$unit"; done ;;
    masked) for unit in $units; do [ "$(ask_unit LoadState)" != masked ] || printf "%s\n" "$unit"; done ;;
    since) show_processes && show_logs "$2" ;;
    *) check_config ;;
  esac
}
# Prints `first PID BEGAN` for each first process and `worker PID BEGAN` for its children of that name, in seconds since 1970.
show_processes() {
  booted=$(sed -n "s/^btime //p" /proc/stat) ticks=$(getconf CLK_TCK 2>/dev/null || echo 100)
  for p in /proc/[0-9]*; do
    pid=${p#/proc/}
    named_so "$pid" && stat_of "$pid" && [ "$state" != Z ] || continue
    case " $first " in
      *" $pid "*) kind=first ;;
      *" $parent "*) kind=worker ;;
      *) continue ;;
    esac
    echo "$kind $pid $((booted + began / ticks))"
  done 2>/dev/null
}
# Prints the ends of the logs, at most 64 KiB of each: a line each after `> `. What the first processes write errors to is
# open in them, so no other user can put another file in its place; a file of syslog is read if only root can replace it, and
# one in a directory of the daemon's user with that user's rights.
show_logs() {
  echo "zone $(date +%z)"
  for pid in $first; do
    [ ! -f "/proc/$pid/fd/2" ] || tail -c 65536 <"/proc/$pid/fd/2" | log_lines
  done
  for unit in $units; do $limit journalctl -q --no-pager -o short-iso --since "@$1" -u "$unit" -n 200 </dev/null | log_lines; done
  for file in $(log_files); do
    [ -f "$file" ] || continue
    # shellcheck disable=SC2016 # the owner's shell expands it
    if trusted_path "$file"; then tail -c 65536 -- "$real"
    else as_owner "${file%/*}" 'tail -c 65536 -- "$1"' "$file"
    fi | grep -a -e "$name" -e "${processes# }" | log_lines
  done
} 2>/dev/null
log_lines() { tr -d "\000" | cut -c 1-1000 | tail -n 200 | sed "s/^/> /"; }
# The files, a word each, to which the daemon or syslog writes its errors, if it does not keep them open itself.
log_files() { :; }
sees() {
  [ -n "$first" ] || [ -z "$skipped" ] || { echo "${skipped#; }"; exit 1; }
  for pid in $first; do
    # shellcheck disable=SC2016 # the inner shell expands them
    hidden=$(xargs -0 sh -c 'seen=/proc/$1/root; shift
      for path; do [ ! -e "$path" ] || [ "$path" -ef "$seen$path" ] || { printf "%s" "$path"; exit; }; done' sh "$pid" <"$1")
    [ -z "$hidden" ] || { echo "process $pid sees another file, or none, as $hidden: it has mounts or a root of its own"; exit 1; }
  done
}
pause() { sleep "$1" 2>/dev/null || sleep 1; }
# Prints a property of the unit in $unit.
ask_unit() { $limit systemctl show -p "$1" -- "$unit" </dev/null 2>/dev/null | sed -n "s/^$1=//p"; }
signal() {
  for pid in $first; do signal_one "$1" "$pid"; done
  pause 0.5
  stays
}
# If a unit has a command of its own for a reload, systemd runs that: its owner may have changed it.
signal_one() {
  trusted_process "$2" || { echo "$name is not signalled: $why"; exit 77; }
  if own_unit "$2" && [ "$(ask_unit CanReload)" = yes ]; then $limit systemctl reload -- "$unit" </dev/null || exit 1; return; fi
  kill -"$1" "$2" || exit 1
}
alive() { stat_of "$1" && [ "$state" != Z ]; }
stays() {
  for pid in $first; do alive "$pid" || { echo "$name (process $pid) has ended"; exit 1; }; done
}
now() { read -r up rest </proc/uptime; echo "$up"; }
await() { for _ in 1 2 3 4 5 6 7 8 9 10; do find_first; [ -z "$first" ] || return 0; pause "$1"; done; return 1; }
# Sets $init to the distribution's script if it started this process: its file of process ids says so.
init_of() {
  init=/etc/init.d/$name
  [ -x "$init" ] && trusted_path "$init" || return 1
  for file in "/run/$name.pid" "/run/$name/$name.pid" "/var/run/$name.pid" "/var/run/$name/$name.pid"; do
    trusted_path "$file" && [ -f "$real" ] && [ "$(head -c 20 -- "$real" | tr -cd 0-9)" = "$1" ] && return 0
  done
  return 1
}
# Sets $started and $by, a word a line, to what this process was started with, if that can be used again as it is.
words_of() {
  trusted_process "$1" && trusted_words "$1" || return 1
  cwd=$(readlink -n -- "/proc/$1/cwd" && echo /) && trusted_path "${cwd%/}/" || return 1
  why="process $1 of $name has changed its command line"
  zeros=$(tr -cd "\000" <"/proc/$1/cmdline" | wc -c) by=$(tr "\000" "\n" <"/proc/$1/cmdline") started=$bin
  grep -q "^Uid:[[:space:]]*0[[:space:]]*0[[:space:]]*0[[:space:]]" "/proc/$1/status" || return 1
  case $by in *"("*) return 1 ;; esac
  [ "$zeros" -gt 0 ] && [ "$(printf "%s\n" "$by" | wc -l)" -eq "$zeros" ] || return 1
  ! printf "%s\n" "$by" | grep -q "^\$"
}
start_by_words() (
  cd -- "${cwd%/}/" || exit 1
  set -f
  IFS='
'
  # shellcheck disable=SC2046 # a word a line
  set -- $(printf "%s\n" "$by" | tail -n +2)
  unset IFS
  start_trusted "$started" "$@"
)
end() {
  trusted_process "$1" || { echo "$name is not ended: $why"; exit 77; }
  kill "$1"
  for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do alive "$1" && pause 0.1; done
}
# How a process is started again is known before it is ended: by its unit, by the distribution's script, or by its words.
restart_one() {
  trusted_process "$1" || { echo "$name is not restarted: $why"; exit 77; }
  if [ -n "$unit" ]; then systemctl restart -- "$unit" </dev/null || exit 1; t_asked=' '
  elif init_of "$1"; then end "$1"; run_trusted "$init" start || echo "$init start has failed"
  elif words_of "$1"; then end "$1"; find_first; [ -n "$first" ] || start_by_words
  elif [ -x "/etc/init.d/$name" ] && trusted_path "/etc/init.d/$name"; then
    end "$1"
    run_trusted "/etc/init.d/$name" start || echo "/etc/init.d/$name start has failed"
  else
    echo "$name is not restarted: no unit and no script of the distribution started it, and $why"
    exit 77
  fi
}
restart() {
  before=$first
  for pid in $before; do
    began=$(now)
    restart_one "$pid"
    await 0.1 || :
    echo "gap $(echo "$began $(now)" | awk "{ printf \"%.2f\", \$2 - \$1 }")"
  done
  [ -z "$before" ] || [ -n "$first" ] || { echo "$name does not start again$skipped"; exit 1; }
}
# start_units UNIT…: starts those that do not run; one that failed too often is started too. systemd may not have noticed
# yet that the processes of a unit have ended, and then starts nothing, so the unit is started again when it is inactive. In a
# container systemd may never notice it if the unit has no main process, so an active unit that does not listen is restarted.
start_units() {
  for each; do
    case " $units " in *" $each "*) ;; *) start_unit "$each" || exit 1 ;; esac
  done
  for try in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    missing_unit=
    for each; do case " $units " in *" $each "*) ;; *) missing_unit=$each ;; esac; done
    [ -n "$missing_unit" ] || exit 0
    pause 0.2
    unit=$missing_unit
    case $try,$(ask_unit ActiveState) in
      *,inactive | *,failed) start_unit "$unit" || exit 1 ;;
      5,active) $limit systemctl restart -- "$unit" </dev/null || exit 1 ;;
    esac
    t_asked=' '
    find_first
  done
  echo "$missing_unit was started, and $name does not listen as its process"
  exit 1
}
start_unit() {
  $limit systemctl reset-failed -- "$1" </dev/null 2>/dev/null
  $limit systemctl start -- "$1" </dev/null
}
# start [UNIT…]: the units that ran before, not others of the same program; without any, what the machine starts.
# Whether it listens is what counts: some scripts report a daemon that puts itself into the background as failed.
start() {
  [ $# = 0 ] || start_units "$@"
  [ -z "$first" ] || exit 0
  known=$name
  for each in $known $processes; do
    [ -d /run/systemd/system ] && systemctl start "$each" </dev/null 2>/dev/null && await 0.2 && exit 0
    [ -x "/etc/init.d/$each" ] && name=$each
  done
  trusted_path "/etc/init.d/$name" && [ -x "$real" ] || { echo "the command that starts $known is not known"; exit 1; }
  run_trusted "$real" start || :
  await 0.2 || exit 1
}
