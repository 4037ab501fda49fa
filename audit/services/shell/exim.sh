# shellcheck shell=sh disable=SC2154,SC2034,SC2148
# exim: the settings that concern TLS; certificates that depend on the name are expanded by exim itself.
[ -n "$bin" ] || return 0
continues=backslash
case $(use_words) in
'' | *-bd* | *-tls-on-connect*) ;;
*) return 0 ;;
esac
c=$(option -C)
set -- run_trusted "$bin" ${c:+-C "$c"}
conf=$("$@" -bP configure_file 2>/dev/null | head -n 1)
case $conf in
/*)
  walk "${conf%/*}" 's/^[[:blank:]]*\.include\(_if_exists\)\{0,1\}[[:blank:]][[:blank:]]*"\{0,1\}\([^"[:blank:]]*\).*/\2/p' "$conf"
  if [ -n "$untrusted" ]; then
    section files print_files
    return 0
  fi
  ;;
esac
section test silent "$@" -bV
section dump "$@" -bP local_interfaces daemon_smtp_ports tls_on_connect_ports tls_advertise_hosts primary_hostname \
  tls_certificate tls_privatekey hosts_proxy
for o in tls_certificate tls_privatekey; do
  raw=$("$@" -bP $o | sed 's/^[a-z_]* *= *//')
  case $raw in
  *'{run'* | *'{perl'* | *'{readsocket'* | *'{dlfunc'* | *'{acl'*) continue ;;
  *\$*) ;;
  *) continue ;;
  esac
  section "$o:" "$@" -be "$raw"
  for n in $(printf '%s\n' "$raw" | grep -o 'tls_[in_]*sni}*}{[A-Za-z0-9.-]*}' | sed 's/.*{//;s/}//' | sort -u); do
    named=$(printf '%s\n' "$raw" | sed "s/[\$]{tls_in_sni}/$n/g;s/[\$]tls_in_sni/$n/g;s/[\$]tls_sni/$n/g")
    section "$o:$n" "$@" -be "$named"
  done
done
