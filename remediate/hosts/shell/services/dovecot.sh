# shellcheck shell=sh
# dovecot: tested by doveconf; its first process reads everything again at SIGHUP, and sessions go on.
# Nothing of dovecot's compares certificate and key.
# shellcheck disable=SC2154,SC2034 # variables are shared with the scripts before and after this one
check_config() {
  for pid in $first; do
    judge_words "$pid" -c
    doveconf=${bin%/sbin/*}/bin/doveconf
    [ -x "$doveconf" ] || doveconf=$(command -v doveconf) || continue
    c=$(option -c)
    run_trusted "$doveconf" ${c:+-c "$c"} -n >/dev/null || return 1
  done
}
reload() { signal HUP; }
log_files() { echo /var/log/mail.err /var/log/mail.log /var/log/maillog; }
