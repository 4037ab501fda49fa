# shellcheck shell=sh
# Has the panel install a self-signed certificate for service $1, unless a certificate in its files is still valid. The
# other arguments are pairs: the path that the panel installs to, and the path that is used if the first is missing. The
# files are read again here, under the lock, because they may have changed since the plan.
# shellcheck disable=SC2154,SC2034 # variables are shared with the scripts before and after this one
service=$1
shift
has_whm || fail 69 "$reason"
while [ "$#" -gt 0 ]; do
  now=$1
  [ -e "$now" ] || now=$2
  shift 2
  [ -e "$now" ] || continue
  trusted_path "$now" || fail 77 "$now is not read: $why"
  [ -f "$now" ] && [ -r "$now" ] || fail 77 "$now cannot be read"
  ! SSL_CERT_FILE=/dev/null openssl x509 -in "$now" -noout -checkend 0 </dev/null >/dev/null 2>&1 || { echo "in force: $now"; exit 0; }
done
succeeded "$(call_api "" reset_service_ssl_certificate "service=$service" </dev/null)" || fail 65 "$reason"
echo reset
