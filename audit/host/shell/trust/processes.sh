# shellcheck shell=sh disable=SC2034,SC2154  # variables are shared with the files of trust/ and the scripts that follow
# Which processes root may trust, and how their programs run. It follows paths.sh.

# Sets $t_user (real:saved uid, or the effective one of another user), $t_parent and $t_comm of a process.
t_read_status() {
  t_user='' t_parent='' t_comm=''
  while IFS=" $t_tab" read -r t_word t_first t_second t_third t_more; do
    case $t_word in
    Name:) t_comm=$t_first ;;
    PPid:) t_parent=$t_first ;;
    Uid:)
      t_user=$t_first
      [ "$t_third" = "$t_first" ] || t_user=$t_second
      [ "$t_user" != 0 ] || [ "$t_first" = 0 ] || t_user=$t_first
      break
      ;;
    esac
  done <"/proc/$1/status"
} 2>/dev/null

# A process can set its real and saved uid to 0 only if root gave it both: a program with the setuid bit has the user's
# own real uid. The effective uid may be another for a time (proftpd).
t_is_ours() {
  case $t_user in
  0 | "$t_me") return 0 ;;
  esac
  return 1
}

# Sets $unit, $t_exec (the program of its ExecStart) and $t_argv if the process is the main one of a system unit.
t_is_main() {
  unit='' t_exec='' t_argv=''
  [ -d /run/systemd/system ] || return 1
  t_group=''
  while IFS= read -r t_word; do
    case $t_word in
    *user@*) return 1 ;;
    0::*.service | *:name=systemd:*.service) t_group=${t_word##*/} ;;
    esac
  done 2>/dev/null <"/proc/$1/cgroup"
  [ -n "$t_group" ] || return 1
  case $t_asked in
  *" $t_group="*)
    t_found=${t_asked##*" $t_group="}
    [ "${t_found%%;*}" = "$1" ] || return 1
    ;;
  esac
  # shellcheck disable=SC2086  # $limit is a command and its words
  t_shown=$($limit systemctl show -p MainPID,FragmentPath,ExecStart -- "$t_group" </dev/null 2>/dev/null)
  t_found=${t_shown#*MainPID=} t_found=${t_found%%"$t_line"*}
  t_asked="$t_asked $t_group=$t_found;"
  [ "$t_found" = "$1" ] || return 1
  t_found=${t_shown#*FragmentPath=}
  trusted_path "${t_found%%"$t_line"*}" || return 1
  unit=$t_group
  case $t_shown in
  *"ExecStart={"*"ExecStart={"*) ;;
  *"ExecStart={ path="*"argv[]="*)
    t_exec=${t_shown#*ExecStart=\{ path=} t_exec=${t_exec%% ;*}
    t_argv=${t_shown#*argv\[\]=} t_argv=${t_argv%% ; ignore_errors=*}
    ;;
  esac
}

# t_program PID: sets $bin to the program that the process runs, if it is the host's own and only root can change it.
t_program() {
  # shellcheck disable=SC2086  # $limit is a command and its words
  bin=$($limit readlink -n -- "/proc/$1/exe" 2>/dev/null && printf x)
  bin=${bin%x}
  if [ -z "$bin" ] && [ "$t_me" != 0 ]; then
    bin=$(command -v "$t_comm") && trusted_path "$bin"
    return
  fi
  case $bin in
  /*' (deleted)')
    bin=${bin%' (deleted)'}
    [ "/proc/$1/root/" -ef / ] || t_no "process $1 runs a deleted program in another root directory" || return 1
    trusted_path "$bin" || return 1
    ;;
  /*)
    trusted_path "$bin" || return 1
    [ "$bin" -ef "/proc/$1/exe" ] || t_no "process $1 runs a file that is not the host's own $bin" || return 1
    same_file "$1" "$bin" || return 1
    ;;
  *) t_no "the link to its program cannot be read" || return 1 ;;
  esac
  [ "$kind" = file ] && [ -x "$bin" ] || t_no "$bin is not a program" || return 1
  t_programs=$t_programs$bin$t_line
}

# trusted_process PID: root started it, or a system unit, or a trusted process with the same program. Sets $bin, $words (a
# word a line) and $unit. The words of another user's process are the unit's own: a user can rewrite those of its processes.
trusted_process() {
  why='' bin='' words='' unit=''
  t_read_status "$1"
  [ -n "$t_user" ] || t_no "process $1 has ended" || return 1
  t_owner=$t_user t_its_comm=$t_comm t_its_parent=$t_parent
  t_is_main "$1"
  t_its_unit=$unit
  if ! t_is_ours && [ -z "$unit" ]; then
    t_no "process $1 named $t_its_comm belongs to uid $t_owner"
    t_reason=$why
    t_read_status "$t_its_parent"
    { t_is_ours || t_is_main "$t_its_parent"; } && [ "/proc/$t_its_parent/exe" -ef "/proc/$1/exe" ] || t_no "$t_reason" || return 1
  fi
  t_comm=$t_its_comm unit=$t_its_unit
  t_program "$1" || t_no "process $1 named $t_its_comm: $why" || return 1
  t_words "$1"
  # the kernel shows no words while a process begins and when it has ended
  case $t_owner,$words in
  0, | "$t_me,") t_no "process $1 named $t_its_comm has no command line" || return 1 ;;
  esac
  t_read_status "$1"
  [ "$t_user" = "$t_owner" ] || t_no "process $1 has ended" || return 1
  why=''
}

# Sets $unit to the system unit that process $1 belongs to, which trusted_process has just found: it is its main process, or
# it is root's in a unit without a main process. No other user can move a process of root to another unit. A masked unit has
# no file.
own_unit() {
  [ -z "$unit" ] || return 0
  [ "$t_owner" = 0 ] && [ -n "$t_group" ] || return 1
  case $t_asked in
  *" $t_group=0;"* | *" $t_group=$1;"*) unit=$t_group ;;
  *) return 1 ;;
  esac
}

t_words() {
  words=''
  case $t_argv in
  '' | *\$* | *\\* | *\"* | *\'*) ;;
  *) if [ "$t_exec" -ef "$bin" ]; then words=$(printf %s "$t_argv" | tr ' ' '\n'); fi ;;
  esac
  if [ -z "$words" ]; then
    case $t_owner in
    0 | "$t_me") words=$(tr '\000' '\n' <"/proc/$1/cmdline" | tr ' ' '\n' | head -c 65536) ;;
    esac
  fi
} 2>/dev/null

# Prints the words that trusted_process set: none if they cannot be trusted.
use_words() { printf '%s\n' "$words"; }

# runs_program PID PROGRAM: the process runs this program of the host, which only root can change. Any user may have started it.
runs_program() {
  trusted_path "$2" || return 1
  [ "$real" -ef "/proc/$1/exe" ] || t_no "process $1 does not run $2"
}

# trusted_words PID OPTION…: what the options and any word with a slash name is a trusted path, and the same for the process.
trusted_words() {
  why='' t_pid=$1 t_all=$words t_before=''
  shift
  while [ -n "$t_all" ]; do
    t_now=${t_all%%"$t_line"*}
    case $t_all in
    *"$t_line"*) t_all=${t_all#*"$t_line"} ;;
    *) t_all='' ;;
    esac
    t_file=''
    case $t_now in
    /*) t_file=$t_now ;;
    -*/*) t_file=/${t_now#*/} ;;
    */*) [ "${t_now##*/}" = "${bin##*/}" ] || t_no "process $t_pid names $t_now, which depends on its directory" || return 1 ;;
    esac
    for t_word in "$@"; do
      case $t_file,$t_before,$t_now in
      ",$t_word,"?*) t_no "process $t_pid names $t_now, which depends on its directory" || return 1 ;;
      esac
      case $t_now in
      "$t_word"/*) ;;
      "$t_word"?*) [ "${t_now#--}" != "$t_now" ] || t_no "process $t_pid names $t_now, which depends on its directory" || return 1 ;;
      esac
    done
    t_before=$t_now
    if [ -z "$t_file" ] || [ "$t_file" = "$bin" ]; then continue; fi
    t_file=${t_file%[\;,]}
    trusted_path "$t_file" && same_file "$t_pid" "$t_file" || return 1
  done
}

# run_trusted BIN ARG…: runs a program that only root can change, for a limited time, without input, in a clean environment.
# $run_env may hold more of its environment, NAME=VALUE a line. $run_in may hold the process, found to be trusted, with
# whose mounts the program runs.
run_trusted() {
  case $t_programs in
  *"$t_line$1$t_line"*) ;;
  *)
    trusted_path "$1" || {
      printf '%s is not run: %s\n' "$1" "$why" >&2
      return 77
    }
    [ "$missing" != yes ] || return 127
    t_programs=$t_programs$1$t_line
    ;;
  esac
  t_sound=$t_line # the program may give a directory to another user
  t_env=${run_env-}
  set -- LC_ALL=C "PATH=$PATH" HOME=/root "$@"
  while [ -n "$t_env" ]; do
    set -- "${t_env%%"$t_line"*}" "$@"
    case $t_env in
    *"$t_line"*) t_env=${t_env#*"$t_line"} ;;
    *) t_env='' ;;
    esac
  done
  # shellcheck disable=SC2086,SC2046  # commands and their words
  $limit $(t_enter "${run_in-}") env -i "$@" </dev/null
}

# run_as_process PID BIN ARG…: as run_trusted, with the environment of a process that root or the login started. It comes from
# the kernel and not by arguments, which other users can read. What is for that process alone or for the loader is left out.
run_as_process() {
  t_pid=$1
  shift
  t_read_status "$t_pid"
  if [ -z "$t_user" ] || ! t_is_ours || [ ! -r "/proc/$t_pid/environ" ]; then
    run_trusted "$@"
    return
  fi
  # shellcheck disable=SC2016  # the inner shell expands them
  run_trusted "$(command -v sh)" -c '
while IFS= read -r pair; do
  name=${pair%%=*}
  case $name in
  "$pair" | "" | [0-9]* | *[!A-Za-z0-9_]* | HAPROXY_* | LD_* | LISTEN_* | NOTIFY_* | PATH | HOME | LC_ALL) ;;
  *) export "$pair" ;;
  esac
done <<END
$(tr "\000" "\n" <"/proc/$1/environ")
END
shift
exec "$@"' sh "$t_pid" "$@"
}

# t_enter PID: the words that run a command with the mounts of a process, if it has others than we have.
t_enter() {
  [ -n "$1" ] && [ "$(readlink "/proc/$1/ns/mnt")" != "$(readlink /proc/self/ns/mnt)" ] || return 0
  ! command -v nsenter >/dev/null || printf 'nsenter --mount=/proc/%s/ns/mnt\n' "$1"
}

# set_limit SECONDS: how long each command may take from now on.
set_limit() {
  limit_s=$1
  case $limit in
  'timeout -k'*) limit="timeout -k 2 $1" ;;
  timeout*) limit="timeout $1" ;;
  esac
}

# start_detached COMMAND ARG…: starts a command that outlives us and our login, without input and output. A login may kill our
# session when we end, so the command is in a session of its own before that. systemd may end all that a login has started
# (KillUserProcesses=), so there the command is in a scope of its own. Users cannot change the scope, and its name is random. A
# scope keeps environment, descriptors and arguments as they are; a service would publish them on the bus.
start_detached() {
  # shellcheck disable=SC2016  # the inner shell expands it
  set -- setsid sh -c '"$@" &' sh "$@"
  if [ "$t_me" = 0 ] && [ -d /run/systemd/system ] && command -v systemd-run >/dev/null; then
    # shellcheck disable=SC2086  # $limit is a command and its words
    $limit systemd-run --scope --quiet --description='repair by sslaudit' -- "$@"
    t_status=$?
    case $t_status in
    0 | 124 | 137) return "$t_status" ;; # after a timeout it may have been started
    esac
  fi
  "$@"
} </dev/null >/dev/null 2>&1

# start_trusted BIN ARG…: starts a daemon, detached, in a clean environment and without our lock.
start_trusted() {
  trusted_path "$1" || {
    printf '%s is not started: %s\n' "$1" "$why" >&2
    return 77
  }
  [ "$missing" != yes ] || return 127
  t_sound=$t_line
  start_detached env -i LC_ALL=C "PATH=$PATH" HOME=/root "$@" 9>&-
}
