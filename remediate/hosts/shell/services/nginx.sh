# shellcheck shell=sh
# nginx: each instance tests with its own options, and reads its files again at SIGHUP while old workers finish.
# Its own test passes an RSA certificate with an EC key.
# shellcheck disable=SC2154,SC2034 # variables are shared with the scripts before and after this one
check_config() {
  for pid in $first; do
    judge_words "$pid" -c -p
    c=$(option -c) p=$(option -p)
    run_trusted "$bin" ${p:+-p "$p"} ${c:+-c "$c"} -t -q || return 1
  done
}
reload() { signal HUP; }
