# shellcheck shell=sh
# pure-ftpd: it reads its one file when it starts, and any signal ends it, so it is restarted. It has no test.
# shellcheck disable=SC2154,SC2034 # variables are shared with the scripts before and after this one
check_config() { :; }
reload() { restart; }
