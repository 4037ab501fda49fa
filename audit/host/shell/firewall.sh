# shellcheck shell=sh disable=SC2154
# The firewall rules of the host: each program lists its own. Only the settings about ports in csf's files leave the host.
# $csf_configuration, $csf_lists and $csf_settings come from the line above.
has() { command -v "$1" >/dev/null; }

csf() {
  for f in $csf_configuration $csf_lists; do
    if ! trusted_path "$f"; then
      printf '# cannot read %s\n' "$why"
    elif [ ! -r "$f" ] || [ "$kind" != file ]; then
      printf '# cannot read %s\n' "$f"
    elif [ "$f" = "$csf_configuration" ]; then
      sed -n "/^\($csf_settings\) *=/s|^|$f: |p" "$f"
    else
      sed -n "s/[[:space:]]*#.*//;/./s|^|$f: |p" "$f"
    fi
  done
}

firewall() {
  # shellcheck disable=SC2086  # $limit is a command and its words
  has nft && { section firewall.nft $limit nft -j list ruleset || section firewall.nft_text $limit nft list ruleset; }
  for v in '' 6; do
    # shellcheck disable=SC2086
    has "ip${v}tables-save" && section "firewall.ip${v}tables" $limit "ip${v}tables-save"
    # shellcheck disable=SC2086
    [ -s "/proc/net/ip${v}_tables_names" ] && has "ip${v}tables-legacy-save" &&
      section "firewall.ip${v}tables_legacy" $limit "ip${v}tables-legacy-save"
  done
  [ -f "$csf_configuration" ] && [ ! -e /etc/csf/csf.disable ] && section firewall.csf csf
  return 0
}
