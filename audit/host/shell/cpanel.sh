# shellcheck shell=sh disable=SC2154
# How a cPanel & WHM server renews its certificates. Only the requested lines of a file leave the host.
# $touch_files and $token_folders come from the line above.

# lines_of PICK FILE…: prints the lines that PICK (a script of sed) chooses, each after its file, and names unreadable files.
lines_of() {
  pick=$1
  shift
  for f in "$@"; do
    shift
    d=${f%/*}
    if [ ! -e "$f" ] && [ -d "$d" ] && ! { [ -x "$d" ] && [ -r "$d" ]; }; then
      printf '# cannot read %s\n' "$d"
    else
      set -- "$@" "$f"
    fi
  done
  trusted_files "$@"
  printf %s "$bad" | sed 's/^/# cannot read /'
  set -f
  IFS=$t_line
  for f in $good; do
    unset IFS
    if [ -r "$f" ]; then
      sed -n "$pick" "$f" | head -n 101 | prefixed "$f"
    else
      printf '# cannot read %s\n' "$f"
    fi
  done
  unset IFS
  set +f
}

prefixed() {
  n=0
  while IFS= read -r line; do
    n=$((n + 1))
    if [ "$n" -gt 100 ]; then
      printf '# cannot read the rest of %s: it has more than 100 lines of this kind\n' "$1"
      return
    fi
    printf '%s: %s\n' "$1" "$line"
  done
}

switched_off() {
  for f in $touch_files; do
    d=${f%/*}
    if [ -e "$f" ]; then
      printf '%s\n' "$f"
    elif [ -d "$d" ] && [ ! -x "$d" ]; then
      printf '# cannot read %s\n' "$d"
    fi
  done
}

schedules() {
  ours='upcp\|checkallsslcerts\|sslaudit'
  # a variable of a crontab, such as PATH or MAILTO, runs nothing
  lines_of "/^[[:space:]]*#/d;/^[[:space:]]*[A-Za-z_][A-Za-z0-9_]*[[:space:]]*=/d;/$ours/p" \
    /var/spool/cron/root /var/spool/cron/crontabs/root /etc/crontab /etc/cron.d/*
  lines_of "/^[[:space:]]*#/d;/$ours/p" /etc/cron.daily/*
  for t in /etc/systemd/system/timers.target.wants/*.timer; do
    [ -L "$t" ] || [ -e "$t" ] || continue
    name=${t##*/} name=${name%.timer}
    case $name in
    *upcp* | *checkallsslcerts* | *sslaudit*) printf '%s: enabled\n' "$t" ;;
    *)
      for u in /etc/systemd/system /usr/lib/systemd/system /lib/systemd/system; do
        [ -f "$u/$name.service" ] || continue
        read_trusted "$u/$name.service" | sed -n "/^ExecStart=.*\($ours\)/p" | head -n 1 | prefixed "$t"
        break
      done
      ;;
    esac
  done
}

if [ -f /usr/local/cpanel/version ]; then
  section state.switches switched_off
  section state.panel lines_of '/^[[:space:]]*CONTACTEMAIL[[:space:]]/p' /etc/wwwacct.conf
  section state.forward lines_of p /root/.forward
  section state.schedules schedules
  # shellcheck disable=SC2086  # folders without spaces
  section state.tokens tokens '*' $token_folders
  firewall
fi
