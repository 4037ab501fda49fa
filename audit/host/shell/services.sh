# shellcheck shell=sh disable=SC2154,SC2034
# Finds the services that run, then those that are to be started, and runs each service's own script for them.
# service_of NAME sets $s to the service of a process of that name; programs_$s prints its programs, options_$s its options
# that name files; service_$s is its script; own_program_$s is true if its program has the name of its processes; $daemon_$s
# and $tasks_$s match the command lines of its daemon and of its other processes. $services has all, $most_processes is how many
# are inspected.

# A process with another network or another root directory belongs to a container.
elsewhere() {
  [ -e "$1/ns/net" ] && ! [ "$1/ns/net" -ef /proc/self/ns/net ] && return 0
  [ -e "$1/root/" ] && ! [ "$1/root/" -ef /proc/self/root/ ]
}

# A container with the host's network serves on the host's ports.
in_container() {
  elsewhere "/proc/$1" || return 1
  [ "/proc/$1/ns/net" -ef /proc/self/ns/net ] && untrusted_process "$1" "it has another root directory"
  return 0
}

# Untrusted processes are counted after the first hundred: another user can start any number.
untrusted_process() {
  untrusted_count=$((untrusted_count + 1))
  [ "$untrusted_count" -gt 100 ] || untrusted_list="$untrusted_list$1 $s $2$t_line"
}

# Sorts the processes with a service's name: root's (or the login's) first. Workers are inspected with their parent.
sort_processes() {
  first='' then=''
  for p in /proc/[0-9]*; do
    read -r comm <"$p/comm" || continue
    service_of "$comm" || continue
    pid=${p#/proc/}
    t_read_status "$pid"
    [ -n "$t_user" ] || continue
    owner=$t_user parent=$t_parent
    read -r other <"/proc/$parent/comm" || other=''
    if [ "$other" = "$comm" ] && ! elsewhere "/proc/$parent"; then
      t_read_status "$parent"
      if t_is_ours || [ "$t_user" = "$owner" ]; then continue; fi
    fi
    case $owner in
    0 | "$t_me") first="$first $pid" ;;
    *) then="$then $pid" ;;
    esac
  done
}

# A process of another user that holds a port which only root can open was started with root's rights (exim gives them up).
# Its command line is not used.
holds_root_port() {
  [ -n "$root_sockets" ] || {
    read -r lowest </proc/sys/net/ipv4/ip_unprivileged_port_start || lowest=1024
    root_sockets=''
    [ "$lowest" -lt 1024 ] || root_sockets=$(sed -n 's/^ *[0-9]*: [0-9A-F]*:0[0-3][0-9A-F][0-9A-F] [0-9A-F:]* 0A \(.*\)/\1/p' \
      /proc/net/tcp /proc/net/tcp6 | sed 's/^[^ ]* [^ ]* [^ ]* *[^ ]* *[^ ]* \([0-9]*\) .*/socket:[\1]/')
    root_sockets=$t_line$root_sockets$t_line
  }
  [ "$root_sockets" != "$t_line$t_line" ] || return 1
  held_count=$((held_count + 1))
  [ "$held_count" -le 32 ] || return 1
  for f in "/proc/$1/fd/"*; do
    f=$(readlink "$f")
    case $root_sockets in
    *"$t_line$f$t_line"*) return 0 ;;
    esac
  done
  return 1
}

# A process of the same program can test the configuration, print settings or send a signal (another inspection does that).
# It serves nothing. Words that cannot be trusted do not decide.
is_task() {
  [ -n "$words" ] && eval "daemon=\$daemon_$s tasks=\$tasks_$s" || return 1
  line=" $(use_words | tr '\n' ' ')"
  read -r stat <"/proc/$pid/stat" || return 0
  # shellcheck disable=SC2086  # its fields
  set -- ${stat##*)}
  [ "$4" = "$pid" ] || line="$line(attached) "
  case $daemon in
  ?*) print "$line" | grep -Eq -e "$daemon" || return 0 ;;
  esac
  [ -n "$tasks" ] && print "$line" | grep -Eq -e "$tasks"
}

look_at_process() {
  pid=$1
  read -r comm <"/proc/$pid/comm" && service_of "$comm" || return
  in_container "$pid" && return
  if ! trusted_process "$pid"; then
    reason=$why
    { holds_root_port "$pid" && t_program "$pid"; } || {
      untrusted_process "$pid" "$reason"
      return
    }
    words=''
  fi
  if "own_program_$s"; then
    case " $("programs_$s") " in
    *" ${bin##*/} "*) ;;
    *) return ;; # a script or another program that has only the name
    esac
  fi
  ! is_task || return
  program=$bin
  # shellcheck disable=SC2046  # options
  trusted_words "$pid" $("options_$s") || {
    untrusted_process "$pid" "process $pid named $comm: $why"
    return
  }
  count=$((count + 1))
  [ "$count" -le "$most_processes" ] || {
    untrusted_process "$pid" "process $pid named $comm: $most_processes others were inspected before it"
    return
  }
  bin=$program
  read -r stat <"/proc/$pid/stat" || return
  # shellcheck disable=SC2086  # its fields
  set -- ${stat##*)}
  start=${20} found="$found $s "
  look_at_instance
}

look_at_instance() {
  prefix="$s#$pid."
  section since echo "$start"
  section words use_words
  "service_$s"
  prefix='' only=p continues=''
}

enabled() {
  for unit in "$@"; do
    for f in /etc/systemd/system/*.wants/"$unit".service /etc/rc[2345].d/S[0-9][0-9]"$unit" /etc/runlevels/*/"$unit"; do
      [ -L "$f" ] && return 0
    done
  done
  return 1
}

# Prints the unit that systemd started and that has ended with a failure.
failed_unit() {
  for unit in "$@"; do
    ! $limit systemctl is-failed -q "$unit.service" 2>/dev/null || echo "$unit"
  done
}

# A service that does not run is inspected only if the machine is to start it: a disabled service is not a fault.
look_at_rest() {
  for s in $services; do
    case $found in
    *" $s "*) continue ;;
    esac
    pid=0 words='' start='' bin='' comm=''
    # shellcheck disable=SC2046  # programs
    enabled "$s" $("programs_$s") || continue
    for comm in $("programs_$s"); do bin=$(command -v "$comm") && break; done
    if [ -z "$bin" ] || ! trusted_path "$bin"; then continue; fi
    look_at_instance
    prefix="$s#0."
    # shellcheck disable=SC2046  # programs
    section failed failed_unit "$s" $("programs_$s")
    prefix=''
  done
}

# Prints the untrusted processes that have not ended meanwhile: what has ended hides nothing.
list_untrusted() {
  printf %s "$untrusted_list" | while IFS= read -r line; do
    read -r stat <"/proc/${line%% *}/stat" || continue
    case ${stat##*)} in
    ' Z '*) ;;
    *) print "$line" ;;
    esac
  done
} 2>/dev/null

found='' count=0 untrusted_list='' untrusted_count=0 root_sockets='' held_count=0
{
  sort_processes
  for p in $first $then; do look_at_process "$p"; done
  look_at_rest
} 2>/dev/null
section untrusted list_untrusted
[ "$untrusted_count" -le 100 ] || section untrusted.more echo "$((untrusted_count - 100))"
section clock.end date +%s.%N
