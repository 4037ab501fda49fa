# shellcheck shell=sh disable=SC2154,SC2034,SC2148
# proftpd: the test of its configuration, and its files.
[ -n "$bin" ] || return 0
continues=backslash
c=$(option -c)
[ -n "$c" ] || c=$(option --config)
[ -n "$c" ] || for f in /etc/proftpd/proftpd.conf /etc/proftpd.conf; do [ -e "$f" ] && c=$f && break; done
[ -n "$c" ] || return 0
walk "${c%/*}" 's/^[[:blank:]]*[Ii]nclude[[:blank:]][[:blank:]]*"*\([^"[:blank:]]*\)"*.*/\1/p' "$c"
[ -n "$untrusted" ] || section test run_trusted "$bin" -t -c "$c"
section files print_files
