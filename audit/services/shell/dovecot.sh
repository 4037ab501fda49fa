# shellcheck shell=sh disable=SC2154,SC2034,SC2148
# dovecot: the test of its configuration and its settings, or its files.
# -P prints the path of a key, but also passwords. So only the lines of blocks, listeners and TLS leave the host.
[ -n "$bin" ] || return 0
continues=backslash
# a process without a doveconf beside its program is another one
for program in "${bin%/sbin/*}/bin/doveconf" "${bin%/*}/doveconf" ''; do [ -x "$program" ] && break; done
[ "$pid" != 0 ] || [ -n "$program" ] || program=$(command -v doveconf)
[ -n "$program" ] || return 0
given=$(option -c)
c=${given:-/etc/dovecot/dovecot.conf}
walk "${c%/*}" 's/^[[:blank:]]*!include\(_try\)\{0,1\}[[:blank:]]*\([^[:blank:]]*\).*/\2/p' "$c"
only='/[{}]/p;/^ *\(protocols\{0,1\}\|listen\|ssl\|ssl_\(alt_\)\{0,1\}\(cert\|key\)\|port\|address\|haproxy\|dovecot_config_version\) *=/p
/^ *\(ssl_server_\)\{0,1\}\(alt_\)\{0,1\}\(cert\|key\)_file *=/p;/^ *\(imap\|pop3\|submission\|sieve\|lmtp\) *= *\(yes\|no\) *$/p;/^ *@/p;/^# c/p'
if [ -z "$untrusted" ]; then
  section test silent run_trusted "$program" ${given:+-c "$c"} -n
  if section dump run_trusted "$program" ${given:+-c "$c"} -P; then
    only=p
    return 0
  fi
fi
section files print_files
only=p
