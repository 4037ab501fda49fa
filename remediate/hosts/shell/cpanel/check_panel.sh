# shellcheck shell=sh
# shellcheck disable=SC2154,SC2034,SC2329 # variables and functions are shared with the scripts before and after this one
# Reports what the panel lacks to install certificates for the files at the paths $@. Runs after cpanel/whm_api.sh.
panels() {
  for path in "$@"; do
    case $path in "$panel"/var/cpanel/ssl/*/*) path=${path%/*}; echo "${path##*/}" ;; esac
  done | sort -u
}
if ! has_whm; then lacks "$reason"
elif [ "$(stat -L -c %u "$whm")" != "$(id -u)" ]; then lacks "WHM API 1 is root's alone, and $(id -un) is not root"
else
  knows=$(call_api services fetch_service_ssl_components </dev/null)
  if succeeded "$knows"; then
    for service in $(panels "$@"); do
      printf '%s\n' "$knows" | grep -qx "$service" || lacks "WHM has no service $service"
    done
  else lacks "$reason"
  fi
fi
