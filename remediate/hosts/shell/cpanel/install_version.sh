# shellcheck shell=sh
# shellcheck disable=SC2154,SC2034,SC2329 # variables and functions are shared with the scripts before and after this one
# The functions of the deployment for services of cPanel & WHM: the panel installs a version by WHM API 1. No file of
# the panel is written here. $folder is the directory of the files.
# Runs after deployment/version_files.sh, cpanel/whm_api.sh and switch/record_state.sh.

# The files show which version is in use, by leaf and public key: the panel may have changed them. Where the panel has
# installed a file whose name begins with `my`, the service does not use the file without it.
effective_path() { if [ -e "${1%/*}/my${1##*/}" ]; then echo "${1%/*}/my${1##*/}"; else echo "$1"; fi; }
fingerprint_of() { SSL_CERT_FILE=/dev/null openssl x509 -in "$1" -noout -fingerprint -sha256 2>/dev/null </dev/null || echo none; }
holds_file() {
  ! cmp -s "$held$1" "$(effective_path "$1")" || return 0
  case $2 in *l*) [ "$(fingerprint_of "$held$1")" = "$(fingerprint_of "$(effective_path "$1")")" ] || return 1 ;; esac
  case $2 in *k*) [ "$(public_of_key "$held$1")" = "$(public_of_key "$(effective_path "$1")")" ] || return 1 ;; esac
}
# holds VERSION COUNT PATH PARTS …: returns whether the paths hold a version.
holds() {
  held=$folder/$1
  shift
  for_each holds_file "$@"
}
is_unchanged() {
  held=$folder/$(readlink "$folder/live")
  holds_file "$1" "$2"
}
version_in_use() {
  for link in live proven before; do
    [ -L "$folder/$link" ] && holds "$(readlink "$folder/$link")" "$@" && readlink "$folder/$link" && return
  done
  return 0
}

# A switch that was interrupted may have left the certificate of one version and the key of another. These files are not
# kept as a version: the version that was verified last stays the one that is restored.
is_consistent() {
  expected=
  for_each is_consistent_file "$@" >/dev/null
}
is_consistent_file() {
  case $2 in *l*) same_key "$1" "$(public_of_certificate "$(effective_path "$1")")" || return 1 ;; esac
  case $2 in *k*) same_key "$1" "$(public_of_key "$(effective_path "$1")")" || return 1 ;; esac
}
holds_known_version() {
  [ -L "$folder/live" ] && [ -L "$folder/proven" ] || return 1
  live_now=$(readlink "$folder/live") proven_now=$(readlink "$folder/proven")
  holds "$live_now" "$@" && return
  [ "$live_now" != "$proven_now" ] || return 1
  holds "$proven_now" "$@" || ! is_consistent "$@"
}
keep_copy() { for_each keep_file "$@"; }
keep_file() {
  now=$(effective_path "$1") kept=$old.part$1
  make_parents "$kept" 700 || return 1
  {
    [ ! -e "$now" ] || content_of "$now"
    case $2 in *c*) [ ! -e "$now" ] || bundle_of "$now" "${1%/*}" ;; esac
  } | write_file 600 "$kept" || return 1
  if [ ! -s "$kept" ]; then remove_file "$kept"
  elif can_reach "$now"; then copy_attributes "$real" "$kept"
  fi
}
# bundle_of FILE DIRECTORY: prints the intermediates for a file that holds only a leaf, as the panel has them.
bundle_of() {
  [ "$(grep -c '^-----BEGIN CERTIFICATE-----' "$1" 2>/dev/null)" = 1 ] && [ -n "$whm" ] || return 0
  hashes=$(SSL_CERT_FILE=/dev/null openssl x509 -in "$1" -noout -subject_hash -issuer_hash 2>/dev/null </dev/null) || return 0
  [ "${hashes%%[!0-9a-f]*}" != "${hashes##*[!0-9a-f]}" ] || return 0
  set -- "${2##*/}"
  call_api "bundle $1" fetch_service_ssl_components </dev/null | sed -n "/^-----BEGIN CERT/,/^-----END CERT/p"
}
activate() {
  point_link "$folder/live" "$1" 2>/dev/null && install_version "$@" && return
  [ "$(readlink "$folder/live")" = "$1" ] || reason="the link cannot be changed"
  return 1
}
revert() {
  for attempt in 1 2; do
    install_version "$(readlink "$folder/way-back")" "$@" && rename_file "$folder/way-back" "$folder/live" && return
    sleep 1
  done
  return 1
}
is_untouched() {
  if [ -L "$folder/way-back" ]; then holds "$(readlink "$folder/way-back")" "$@"; else holds "$name" "$@"; fi
}
replace_links() { :; }
recover() { :; }
