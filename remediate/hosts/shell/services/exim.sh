# shellcheck shell=sh
# exim: it reads certificate and key at each connection if it expands their paths anew, or if it is older than 4.95.
# Else it reads them when it starts, and again by itself: 5 s after their directories have changed, which it sees by inotify,
# and before it accepts the next connection. At SIGHUP it closes its sockets and starts anew in the same process: clients are
# refused meanwhile. So it is signalled only if it does not serve by itself what is in its file of certificates.
# Its daemon gives up root for the user that owns its spool directory. Without systemd no trace is left of who started
# this process: it counts if it runs the host's own program, it is never run with its own arguments, and it is signalled
# with that user's rights, by which the kernel lets it reach that user's processes alone.
# shellcheck disable=SC2154,SC2034 # variables are shared with the scripts before and after this one
accepts() {
  [ -z "$dropped" ] || return 1
  user=$(sed -n "s/^Uid:[[:space:]]*\([0-9]*\)[[:space:]]*\1[[:space:]]*\1[[:space:]].*/\1/p" "/proc/$1/status")
  for each in $processes; do
    program=$(command -v "$each") && runs_program "$1" "$program" && break
    program=
  done
  [ -n "$program" ] || return 1
  spool=$(run_trusted "$program" -bP spool_directory 2>/dev/null)
  spool=${spool#spool_directory = }
  owner_of "$spool" && [ -n "$user" ] && [ "$user" = "$owner_uid" ] && dropped=$1
}
# Sets $bin and the options by which this process was started, if they may be used: a dropped one has none of its own.
use_program() {
  if [ "$1" = "$dropped" ]; then bin=$program c=; return; fi
  judge_words "$1" -C
  c=$(option -C)
}
check_config() {
  for pid in $first; do
    use_program "$pid"
    run_trusted "$bin" ${c:+-C "$c"} -bV >/dev/null || return 1
  done
}
reload() {
  for pid in $first; do
    use_program "$pid"
    case $(setting tls_certificate tls_privatekey) in
      *tls_certificate*\$*tls_privatekey*\$*) ;;
      *) takes_up "$pid" || hang_up "$pid" || exit 1 ;;
    esac
  done
  pause 0.5
  stays
}
setting() { run_trusted "$bin" ${c:+-C "$c"} -bP "$@"; }
# takes_up PID: whether it serves the certificates of its file; one that watches directories is given the time for it.
takes_up() {
  wanted=$(setting tls_certificate) && wanted=$(certificates_of "${wanted#*= }") && [ -n "$wanted" ] || return 1
  implicit=$(setting tls_on_connect_ports | tr ":;,=" "    ") end=$(($(seconds) + 20)) wait_s=5
  while :; do
    compare_served "$1"
    case $? in 0) return 0 ;; 2) return 1 ;; esac
    watches "$1" && [ "$(seconds)" -lt "$end" ] || return 1
    sleep "$wait_s"
    wait_s=1
  done
}
seconds() { now | cut -d . -f 1; }
certificates_of() { [ -f "$1" ] && head -c 1048576 -- "$1" | certificates; }
# Without what may differ between two texts of the same certificate.
certificates() { sed -n "/^-----BEGIN CERTIFICATE-----/,/^-----END CERTIFICATE-----/p" | tr -d " \r\n"; }
watches() {
  for descriptor in "/proc/$1/fd"/*; do case $(readlink "$descriptor") in anon_inode:*inotify*) return 0 ;; esac; done
  return 1
}
# The first of its ports that sends certificates decides, because all have the same ones: 2 if none does.
compare_served() {
  for place in $(places_of "$1" | head -n 3); do
    case " $implicit " in *" ${place##*:} "*) speaks= ;; *) speaks="-starttls smtp" ;; esac
    served=$(set_limit 5; served_at "$place" "$speaks")
    [ -n "$served" ] || continue
    [ "$served" = "$wanted" ]
    return
  done
  return 2
}
# shellcheck disable=SC2086 # $limit and $2 are a command with its options and an option with its value, or nothing
served_at() {
  SSL_CERT_FILE=/dev/null $limit openssl s_client -connect "$1" $2 -showcerts </dev/null 2>/dev/null |
    head -c 1048576 | certificates
}
# Where a process can be reached if it listens on all addresses.
# shellcheck disable=SC2012 # names of descriptors are numbers
places_of() {
  for s in $(ls -l "/proc/$1/fd" | sed -n "s/.*socket:\[\([0-9]*\)\].*/\1/p"); do
    sed -n "s/^ *[0-9]*: 0*:\([0-9A-F]*\) [0-9A-F:]* 0A .* $s .*/\1/p" /proc/net/tcp | in_decimal 127.0.0.1
    sed -n "s/^ *[0-9]*: 0*:\([0-9A-F]*\) [0-9A-F:]* 0A .* $s .*/\1/p" /proc/net/tcp6 | in_decimal "[::1]"
  done 2>/dev/null
}
in_decimal() { while read -r port; do echo "$1:$((0x$port))"; done; }
hang_up() {
  # shellcheck disable=SC2016 # the owner's shell expands it
  if [ "$1" = "$dropped" ]; then as_owner "$spool" 'kill -HUP "$1"' "$1"; else signal_one HUP "$1"; fi
}
log_files() { echo /var/log/exim4/paniclog /var/log/exim4/mainlog /var/log/exim/panic.log /var/log/exim/main.log; }
