# shellcheck shell=sh
# vsftpd: it reads its files when it starts and SIGHUP does not change that, so it is restarted. It has no test.
# shellcheck disable=SC2154,SC2034 # variables are shared with the scripts before and after this one
check_config() { :; }
reload() { restart; }
