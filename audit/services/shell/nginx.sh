# shellcheck shell=sh disable=SC2154,SC2034,SC2148
# nginx: its version, the host's name, the test of its configuration, and what `nginx -T` prints; or its files.
[ -n "$bin" ] || return 0
continues=semicolon
given=$(option -c) p=$(option -p)
built=$(run_trusted "$bin" -V 2>&1)
section built printf '%s\n' "$built"
read -r host_name </proc/sys/kernel/hostname && section host_name printf '%s\n' "$host_name"
c=$given
[ -n "$c" ] || c=$(printf '%s\n' "$built" | sed -n 's/.*--conf-path=\([^ ]*\).*/\1/p')
[ -n "$c" ] || return 0
case $c in
/*) ;;
*) c=${p:-/etc/nginx}/$c ;;
esac
walk "${c%/*}" "s/^\([^#]*[[:blank:];{}]\)\{0,1\}include[[:blank:]][[:blank:]]*\"*\([^;\"]*\)\"*[[:blank:]]*;.*/\2/p" "$c"
if [ -z "$untrusted" ]; then
  section test run_trusted "$bin" ${p:+-p "$p"} ${given:+-c "$c"} -t
  section dump run_trusted "$bin" ${p:+-p "$p"} ${given:+-c "$c"} -T -q && return 0
fi
section files print_files
