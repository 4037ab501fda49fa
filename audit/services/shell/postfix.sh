# shellcheck shell=sh disable=SC2154,SC2034,SC2148
# postfix: the settings that concern TLS, the services of master.cf, and the tables of certificates by name.
# `master` is the name of many programs: only the one that lies with postfix is meant.
continues=indented
case $bin in
*/postfix*/master) ;;
*) [ "$pid" = 0 ] || return 0 ;;
esac
program=$(command -v postconf) || return 0
c=$(option -c)
if [ -z "$c" ] && [ "$pid" != 0 ] && [ -n "$(use_words)" ]; then
  c=$(tr '\000' '\n' <"/proc/$pid/environ" | sed -n 's/^MAIL_CONFIG=//p')
fi
folder=${c:-/etc/postfix}
walk "$folder" '' "$folder/main.cf"
main=$untrusted
walk "$folder" '' "$folder/master.cf"
untrusted=$main$untrusted
if [ -n "$untrusted" ]; then
  section files print_files
  return 0
fi
set -- run_trusted "$program" ${c:+-c "$c"}
section test silent "$@" -n
section main "$@" -x smtpd_tls_cert_file smtpd_tls_key_file smtpd_tls_eccert_file smtpd_tls_eckey_file \
  smtpd_tls_dcert_file smtpd_tls_dkey_file smtpd_tls_chain_files smtpd_tls_security_level smtpd_use_tls \
  smtpd_tls_wrappermode inet_interfaces inet_protocols tls_server_sni_maps
section master "$@" -M
section overrides "$@" -P
maps=$("$@" -hx tls_server_sni_maps | tr ',' ' ' | tr -s '[:blank:]' '\n' | awk 'NF && !seen[$0]++')
map_text() { read_trusted "$1" || { print "$why" && return 1; }; }
for m in $maps; do [ -r "${m#*:}" ] && section "sni:$m" map_text "${m#*:}"; done
listed=$({
  "$@" -hx smtpd_tls_chain_files
  "$@" -P | sed -n 's/.*smtpd_tls_chain_files *=//p'
  for m in $maps; do [ -r "${m#*:}" ] && read_trusted "${m#*:}"; done
} | tr ',' ' ' | tr -s '[:blank:]' '\n' | grep '^/')
IFS=$t_line
set -f
# shellcheck disable=SC2086  # a name a line
set -- $listed
unset IFS
[ $# -le 400 ] || section files echo "# cannot read the rest: $# files of keys and certificates are named (limit 400)"
while [ $# -gt 400 ]; do shift; done
trusted_files "$@"
IFS=$t_line
# shellcheck disable=SC2086  # a name a line
set -- $good
unset IFS
set +f
[ $# -gt 0 ] || return 0
section keys grep -l -e 'PRIVATE KEY-----' "$@" /dev/null
section certificates grep -l -e 'BEGIN CERTIFICATE-----' "$@" /dev/null
