# shellcheck shell=sh
# Prints the name of the host, the contact address in its panel, and the forward address of root.
# shellcheck disable=SC2154,SC2034 # variables are shared with the scripts before and after this one
LC_ALL=C
export LC_ALL
first_bytes() {
  trusted_path "$1" && [ -f "$real" ] && [ -z "$missing" ] || return 0
  # shellcheck disable=SC2086 # $limit is a command with its options, or nothing
  $limit head -c 65536 -- "$real"
}
hostname -f 2>/dev/null || hostname
echo "--- panel"
first_bytes /etc/wwwacct.conf | grep '^[[:space:]]*CONTACTEMAIL[[:space:]]' | head -c 4096
echo "--- forward"
first_bytes /root/.forward | head -c 8192
:
