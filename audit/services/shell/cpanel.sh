# shellcheck shell=sh disable=SC2154
# The files of the panel that exist. If its own services have two: the leaf and the time of each, the leaf that is served, and
# the start of its process. $looked_for, $own, $in_its_place and $own_ports are set in the lines above this script.
there() {
  for f in "$@"; do [ -e "$f" ] && echo "$f"; done
  return 0
}

leaf() { SSL_CERT_FILE=/dev/null openssl x509 -noout -fingerprint -sha256 2>/dev/null | sed 's/.*=//'; }

holders() {
  hex=$(printf '%04X' "$1") word='[^ ]* *'
  inode=$(sed -n "s/^ *${word}[0-9A-F]*:$hex ${word}0A $word$word$word$word$word\([0-9]*\) .*/\1/p" \
    /proc/net/tcp /proc/net/tcp6 | head -n 1)
  [ -n "$inode" ] && owners | sed -n "/^pid /h;/^$inode\$/{x;s/^pid //p;x;}"
}

served() {
  for f in "$own" "$in_its_place"; do
    trusted_entry "$f" && [ "$kind" = file ] && echo "$f $(head -c 1000000 "$real" | leaf) $(stat -L -c %Y "$f")"
  done
  for port in $own_ports; do
    pids=$(holders "$port")
    [ -n "$pids" ] || continue
    # shellcheck disable=SC2086  # $limit is a command and its words
    echo "served $(SSL_CERT_FILE=/dev/null $limit openssl s_client -connect "127.0.0.1:$port" </dev/null 2>/dev/null | leaf)"
    booted=$(sed -n 's/^btime //p' /proc/stat) ticks=$(getconf CLK_TCK)
    for p in $pids; do
      # shellcheck disable=SC2086  # its fields
      read -r stat <"/proc/$p/stat" && set -- ${stat##*)} && echo "began $((booted + ${20} / ${ticks:-100}))"
    done
    return 0
  done
}

# shellcheck disable=SC2086  # names without spaces
section there there $looked_for
if [ -e "$own" ] && [ -e "$in_its_place" ]; then section served served; fi
