# shellcheck shell=sh disable=SC2154,SC2034,SC2148
# exim: the settings that concern TLS; certificates that depend on the name are expanded by exim itself,
# for each name that they are compared with and of which there are files.
[ -n "$bin" ] || return 0
continues=backslash
c=$(option -C)
set -- run_trusted "$bin" ${c:+-C "$c"}
test_output=$("$@" -bV 2>&1) # it also reads the configuration
test_status=$?
case $t_line$test_output in
*"${t_line}Exim version "*) ;;
*) return 0 ;; # it is another program
esac
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
# with_name NAME: prints $raw with a name in place of the one that a client requests.
with_name() { printf '%s\n' "$raw" | sed "s/[\$]{tls_in_sni}/$1/g;s/[\$]tls_in_sni/$1/g;s/[\$]{*tls_sni}*/$1/g"; }

# Sets $listed to the names of which there is a file or directory where a path in $raw has the name that a client requests.
# Only a directory that no other user could change is listed; the others are named in $unlisted.
list_names() {
  listed=''
  set -f
  for f in $(with_name '*' | grep -o '/[A-Za-z0-9._/*-]*' | grep '[*]' | sort -u | head -n 8); do
    before=${f%%\**} after=${f#*\*}
    directory=${before%/*} begin=${before##*/} end=${after%%[/*]*}
    if ! trusted_path "$directory" || ! for_process "$directory"; then
      unlisted="${unlisted}the names in $directory: $why$t_line"
    elif [ ! -r "$directory" ] || [ ! -x "$directory" ]; then
      unlisted="${unlisted}the names in $directory: the login may not list it$t_line"
    else
      listed=$listed$($limit find "$directory" -maxdepth 1 -name "${begin}[A-Za-z0-9]*$end" |
        sed -n "s,^.*/$begin\([A-Za-z0-9][A-Za-z0-9.-]*\)$end\$,\1,p")$t_line
    fi
  done
  set +f
}

# expand_names COMMAND...: prints what exim makes of $raw for each of $names, a line each.
expand_names() {
  set -- "$@" -be
  for n in $names; do set -- "$@" "$(with_name "$n")"; done
  "$@"
}
cannot_read() { printf %s "$unlisted" | sed 's/^/# cannot read /'; }

tested() {
  [ "$test_status" = 0 ] || print "$test_output" | sed '/^Exim version /,/^Size of /d'
  return "$test_status"
}

unlisted=''
section test tested "$@" -bV
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
  literal=$(printf '%s\n' "$raw" | grep -o 'tls_[in_]*sni}* *}* *{ *[A-Za-z0-9.-]*}' | sed 's/.*{ *//;s/}//')
  list_names
  names=$(print "$literal$t_line$listed" | grep '.' | sort -u | head -n 201)
  if [ "$(print "$names" | wc -l)" -gt 200 ]; then
    unlisted="${unlisted}the rest of the names in $o (limit 200)$t_line"
    names=$(print "$names" | head -n 200)
  fi
  [ -n "$names" ] || continue
  expanded=$(expand_names "$@")
  for n in $names; do
    section "$o:$n" print "${expanded%%"$t_line"*}"
    expanded=${expanded#*"$t_line"}
  done
done
[ -z "$unlisted" ] || section files cannot_read
