# shellcheck shell=sh
# haproxy: tested with its own files, directory and variables. At SIGUSR2 its master process reads everything again and
# starts new workers, which take over the sockets, while the old ones finish. If it cannot, the old workers go on serving.
# A process without a master cannot be reloaded: a second process would have to be started in its place.
# shellcheck disable=SC2154,SC2034 # variables are shared with the scripts before and after this one
serves() { [ -n "$(workers "$1")" ]; }
# Prints the workers of a master that listen.
workers() {
  for p in /proc/[0-9]*; do
    child=${p#/proc/}
    stat_of "$child" && [ "$parent" = "$1" ] && [ "$state" != Z ] && named_so "$child" && listens "$p" && echo "$child"
  done 2>/dev/null
}
explain_others() {
  for p in /proc/[0-9]*; do
    pid=${p#/proc/}
    { named_so "$pid" && stat_of "$pid" && [ "$state" != Z ] && ! named_so "$parent" && listens "$p"; } || continue
    skipped="$skipped; process $pid of haproxy has no master process (option -W or -Ws), so it cannot load files"
  done 2>/dev/null
}
check_config() {
  for pid in $first; do
    judge_words "$pid" -C
    at=$(option -C)
    given=$(printf "%s\n" "$words" | awk '$0 == "--" { rest = 1; next } rest || before == "-f"; { before = $0 }')
    set --
    set -f
    for f in $given; do
      case $at$f in
        /*) set -- "$@" -f "$f" ;;
        *) echo "haproxy is not tested: process $pid names $f, which depends on its directory"; exit 77 ;;
      esac
    done
    set +f
    said=$(run_as_process "$pid" "$bin" ${at:+-C "$at"} "$@" -c 2>&1) || {
      printf "%s\n" "$said" | grep -v "^.NOTICE"
      return 1
    }
  done
}
reload() {
  for pid in $first; do
    old=" $(workers "$pid" | tr "\n" " ")"
    signal_one USR2 "$pid"
    await_workers "$pid" "$old" || { echo "haproxy (process $pid) has started no new workers: the old ones still serve"; exit 1; }
  done
  stays
}
# await_workers PID OLD: waits at most 20 s until a worker that is not in OLD listens.
await_workers() {
  end=$(($(seconds) + 20))
  while [ "$(seconds)" -lt "$end" ]; do
    pause 0.5
    for worker in $(workers "$1"); do
      case $2 in *" $worker "*) ;; *) return 0 ;; esac
    done
  done
  return 1
}
seconds() { now | cut -d . -f 1; }
log_files() { echo /var/log/haproxy.log; }
