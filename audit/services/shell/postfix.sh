# shellcheck shell=sh disable=SC2154,SC2034,SC2148
# postfix: the settings that concern TLS, the services of master.cf, and the tables of certificates by name.
# `master` is the name of many programs. Only the one in the directory of postfix is used.
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
  smtpd_tls_wrappermode inet_interfaces inet_protocols tls_server_sni_maps smtpd_upstream_proxy_protocol \
  postscreen_upstream_proxy_protocol
section master "$@" -M
section overrides "$@" -Px
all_maps=$("$@" -hx tls_server_sni_maps)
# without what braces enclose: the text of tables of the type inline
maps=$(print "$all_maps" | sed ':a
s/{[^{}]*}//g;ta' | tr ',' ' ' | tr -s '[:blank:]' '\n' | awk 'NF && !seen[$0]++')
map_text() { read_trusted "$1" || { print "$why" && return 1; }; }
for m in $maps; do [ -r "${m#*:}" ] && section "sni:$m" map_text "${m#*:}"; done
listed=$({
  "$@" -hx smtpd_tls_chain_files
  "$@" -Px | sed -n 's/.*smtpd_tls_chain_files *=//p'
  print "$all_maps" | tr '{}=' '   '
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
# A file of another user is read as files.sh does: by root if it lies in root's directory, else with the rights of the directory's
# owner. That user can delay it until the limit, and all these files together for 12 s.
read_other() {
  if trusted_entry "$1"; then [ "$kind" = file ] && head -c 1000000 "$real"; else owner_reads "$1" 1000000; fi
}
keys='' certificates='' reading_began=$(date +%s)
for f in "$@"; do
  case $t_line$good in
  *"$t_line$f$t_line"*) continue ;;
  esac
  [ $(($(date +%s) - reading_began)) -lt 12 ] || break
  marks=$(read_other "$f" 2>/dev/null | sed -n 's/.*PRIVATE KEY-----.*/key/p;s/.*BEGIN CERTIFICATE-----.*/certificate/p')
  case $marks in *key*) keys=$keys$f$t_line ;; esac
  case $marks in *certificate*) certificates=$certificates$f$t_line ;; esac
done
IFS=$t_line
# shellcheck disable=SC2086  # a name a line
set -- $good
unset IFS
set +f
# marked PATHS PATTERN FILE…: prints the paths, and the files that contain the pattern.
marked() {
  printf %s "$1"
  shift
  grep -l -e "$@" /dev/null
}
section keys marked "$keys" 'PRIVATE KEY-----' "$@"
section certificates marked "$certificates" 'BEGIN CERTIFICATE-----' "$@"
