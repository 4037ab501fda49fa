# shellcheck shell=sh disable=SC2154,SC2034,SC2148,SC2016  # variables in scripts of sed are apache's
# apache: the variables of its environment file, the test of its configuration, and the configuration as apache resolves it, which
# mod_info prints; or its files.
[ -n "$bin" ] || return 0
continues=backslash
given=$(option -f) r=$(option -d) run_env=''
c=$given
env=${r:-/etc/${bin##*/}}/envvars
if [ -z "$c" ] && [ -e "$env" ] && trusted_path "$env" && [ "$kind" = file ]; then
  # apachectl makes the directory before apache runs; the variables of a second instance of Debian depend on its directory
  # shellcheck disable=SC1090  # apachectl reads the same file
  run_env=$(APACHE_CONFDIR=${env%/*} && . "$env" >/dev/null 2>&1 && { [ -d "${APACHE_RUN_DIR-/}" ] || APACHE_RUN_DIR=/run; } && env | sed -n '/^APACHE_/p;/^LD_LIBRARY_PATH=/p')
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
pick='s/^[[:blank:]]*[Ii]nclude\([Oo]ptional\)\{0,1\}[[:blank:]][[:blank:]]*"*\([^"[:blank:]]*\)"*.*/\2/p'
walk "$base" "$pick" "$c"
if [ -n "$(in_files '/^[[:blank:]]*[Ii]nclude.*\${/p' | head -n 1)" ]; then
  # the value of a variable may contain another one
  values=$(
    printf '%s\n' "$run_env" | sed -n 's/^\([A-Z_]*\)=\([A-Za-z0-9_.:@/+-]*\)$/s|${\1}|\2|g/p'
    in_files 's/^[[:blank:]]*[Dd]efine[[:blank:]]\{1,\}\([A-Za-z0-9_]\{1,\}\)[[:blank:]]\{1,\}"\{0,1\}\([A-Za-z0-9_.:@/+${}-]*\)"\{0,1\}[[:blank:]]*$/s|${\1}|\2|g/p'
  )
  walk "$base" "$values$t_line$values$t_line$pick" "$c"
fi
if [ -z "$untrusted" ]; then
  set -- "$bin" ${given:+-f "$c"} ${r:+-d "$r"}
  for n in $(use_words | sed -n 's/^-D//p' | grep -v -e '^$' -e FOREGROUND -e NO_DETACH); do set -- "$@" -D "$n"; done
  section run_cfg run_trusted "$@" -t -D DUMP_RUN_CFG
  if section test run_trusted "$@" -t; then
    info=$(in_files 's/^[[:blank:]]*[Ll]oad[Mm]odule[[:blank:]]\{1,\}[^[:blank:]]\{1,\}[[:blank:]]\{1,\}"\{0,1\}\([^"[:blank:]]*\)\/[^/]*$/\1/p' | head -n 1)/mod_info.so
    case $info in
    /*) ;;
    *) info=$base/$info ;;
    esac
    if [ -e "$info" ] && trusted_path "$info" && [ "$kind" = file ]; then
      only='/^ *# *[0-9]*:$/!p'
      section config run_trusted "$@" -C "LoadModule info_module \"$info\"" -t -D DUMP_CONFIG && run_env='' && return 0
      only=p
    fi
  fi
fi
section static run_trusted "$bin" -l
run_env=''
section files print_files
