# shellcheck shell=sh disable=SC2154
# The host itself: its clock, name, addresses, sockets and the processes that hold them.
names() { hostname -f 2>/dev/null || hostname 2>/dev/null || uname -n; }
addresses() { ip -o addr show 2>/dev/null || hostname -I 2>/dev/null || ifconfig -a 2>/dev/null || kernel_addresses; }

# A container may have no program that lists addresses: these are the tables of the kernel.
kernel_addresses() {
  sed -n '/|-- /h
/\/32 host LOCAL/{
x
s/.*|-- //p
}' /proc/net/fib_trie
  [ ! -r /proc/net/if_inet6 ] ||
    sed -n 's/^\(....\)\(....\)\(....\)\(....\)\(....\)\(....\)\(....\)\(....\) .*/\1:\2:\3:\4:\5:\6:\7:\8/p' /proc/net/if_inet6
}

# A kernel without IPv6 has one table.
sockets() {
  set -- /proc/net/tcp /proc/net/tcp6
  [ -r "$2" ] || set -- "$1"
  sed -n "/: [0-9A-F:]* [0-9A-F:]* 0A /p" "$@"
}

# The marks of docker and podman.
container() {
  for f in /.dockerenv /run/.containerenv; do [ ! -e "$f" ] || echo "$f"; done
}

listeners() { netstat -an | grep LISTEN; }

# No name of an open file can look like a socket: the fields of the line are counted, and a line end is shown as `?`.
owners() {
  q=''
  ls -lnq / >/dev/null 2>&1 && q=q
  # shellcheck disable=SC2012  # only numbers are read from the names
  ls -ln$q /proc/[0-9]*/fd 2>/dev/null | sed -n 's/^\/proc\/\([0-9]*\)\/fd:$/pid \1/p
s/^l[^ ]* *[0-9]* *[0-9]* *[0-9]* *[0-9]* *[^ ]* *[^ ]* *[^ ]* *[0-9]* -> socket:\[\([0-9]*\)\]$/\1/p'
}

# The certificates that acme.sh of root or of the login installs.
installed() {
  trusted_files /root/.acme.sh/*/*.conf "$HOME"/.acme.sh/*/*.conf
  IFS=$t_line
  set -f
  # shellcheck disable=SC2086  # a name a line
  set -- $good
  unset IFS
  set +f
  [ $# -eq 0 ] || sed -n 's/^Le_Real[A-Za-z]*=//p' "$@" 2>/dev/null
}

section clock date +%s.%N
section kernel uname -s
section uid id -un
section fqdn names
section addresses addresses
section boot_id cat /proc/sys/kernel/random/boot_id
section network readlink /proc/self/ns/net
section byte_order eval "printf '\001\000' | od -An -tu2"
section booted sed -n "s/^btime //p" /proc/stat
section ticks getconf CLK_TCK
section acme_sh installed
section container container
section sockets sockets || section listeners listeners
section owners owners
