# shellcheck shell=sh disable=SC2154,SC2034,SC2148
# apache: the variables of its environment file, the test of its configuration, and its files.
[ -n "$bin" ] || return 0
continues=backslash
given=$(option -f) r=$(option -d) run_env=''
c=$given
env=/etc/${bin##*/}/envvars
if [ -z "$c$r" ] && [ -e "$env" ] && trusted_path "$env" && [ "$kind" = file ]; then
  # shellcheck disable=SC1090  # apachectl reads the same file
  run_env=$(. "$env" >/dev/null 2>&1 && env | sed -n '/^APACHE_/p;/^LD_LIBRARY_PATH=/p')
fi
built=$(run_trusted "$bin" -V 2>/dev/null)
section built printf '%s\n' "$built"
root=$(printf '%s\n' "$built" | sed -n 's/.*HTTPD_ROOT="\(.*\)"/\1/p')
[ -n "$c" ] || c=$(printf '%s\n' "$built" | sed -n 's/.*SERVER_CONFIG_FILE="\(.*\)"/\1/p')
# another program of that name does not print the path of its configuration
case $c,${r:-$root} in
,* | *,) run_env='' && return 0 ;;
/*) ;;
*) c=${r:-$root}/$c ;;
esac
base=$(read_trusted "$c" | sed -n 's/^[[:blank:]]*[Ss]erver[Rr]oot  *"*\([^"]*\)"*/\1/p' | head -n 1)
base=${base:-${r:-$root}}
section base printf '%s\n' "$base"
section environment printf '%s\n' "$run_env"
walk "$base" "s/^[[:blank:]]*[Ii]nclude\([Oo]ptional\)\{0,1\}[[:blank:]][[:blank:]]*\"*\([^\"[:blank:]]*\)\"*.*/\2/p" "$c"
if [ -z "$untrusted" ]; then
  set -- "$bin" ${given:+-f "$c"} ${r:+-d "$r"}
  for n in $(use_words | sed -n 's/^-D//p' | grep -v -e '^$' -e FOREGROUND -e NO_DETACH); do set -- "$@" -D "$n"; done
  section test run_trusted "$@" -t
  section run_cfg run_trusted "$@" -t -D DUMP_RUN_CFG
fi
run_env=''
section files print_files
