# shellcheck shell=sh
# postfix: tested by `postfix check`; its tables of certificates by name are made anew, then its processes reload.
# `postmap -F` copies certificates and keys into those tables, so root opens only files that no other user can replace.
# shellcheck disable=SC2154,SC2034 # variables are shared with the scripts before and after this one
check_config() { [ -z "$first" ] || run_trusted "$(command -v postfix)" check; }
named_files() {
  set -f
  for f in $(read_trusted "$1" | tr -s ", \t" "\n" | grep "^/"); do
    trusted_entry "$f" || return 1
    [ "$kind" = file ] || t_no "$f is not a regular file" || return 1
    [ "$size" -le 1000000 ] || t_no "$f has $size bytes (limit 1000000)" || return 1
  done
  set +f
}
reload() {
  [ -n "$first" ] || return 0
  for table in $(run_trusted "$(command -v postconf)" -h tls_server_sni_maps | tr "," " "); do
    case $table in
      hash:/* | btree:/* | cdb:/* | lmdb:/* | dbm:/*)
        { trusted_path "${table#*:}" && named_files "${table#*:}"; } || { echo "$table is not built again: $why"; exit 77; }
        run_trusted "$(command -v postmap)" -F "$table" || exit 1
        ;;
    esac
  done
  reload_instances
  pause 0.5
  stays
}
# By its units, or by its own command if no unit has one.
reload_instances() {
  by_unit=
  for unit in $units; do
    [ "$(ask_unit CanReload)" = yes ] || continue
    $limit systemctl reload -- "$unit" </dev/null || exit 1
    by_unit=yes
  done
  [ -n "$by_unit" ] || run_trusted "$(command -v postfix)" reload
}
log_files() { echo /var/log/mail.err /var/log/mail.log /var/log/maillog; }
