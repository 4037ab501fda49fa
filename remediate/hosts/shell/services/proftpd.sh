# shellcheck shell=sh
# proftpd: each session reads its files again; at SIGHUP its first process reads them as well.
# shellcheck disable=SC2154,SC2034 # variables are shared with the scripts before and after this one
check_config() {
  for pid in $first; do
    judge_words "$pid" -c --config
    c=$(option -c)
    run_trusted "$bin" ${c:+-c "$c"} -t >/dev/null || return 1
  done
}
reload() { signal HUP; }
