# shellcheck shell=sh disable=SC2016,SC2034  # a text for perl, which handshakes.sh runs
# Runs a client of TLS, which connects to a socket in a folder of ours. The other end of the socket is a service that gets the
# header of the PROXY protocol first: openssl cannot send it. Debian has perl everywhere.
# Its arguments are the path of the socket, the place of the service, and the client with its arguments.
proxy_relay='use strict;
use Socket qw(:DEFAULT inet_pton pack_sockaddr_in6);
my ($path, $place, @client) = @ARGV;
my ($local, $service, $connection);
my ($address, $port) = $place =~ /^\[?(.+?)\]?:(\d+)$/ or die "$place is not a place\n";
my $family = $address =~ /:/ ? AF_INET6 : AF_INET;
my $binary = inet_pton($family, $address) or die "$address is not an address\n";
my $at = $family == AF_INET ? pack_sockaddr_in($port, $binary) : pack_sockaddr_in6($port, $binary);
socket($local, AF_UNIX, SOCK_STREAM, 0) && bind($local, pack_sockaddr_un($path)) && listen($local, 1) or die "$path: $!\n";
socket($service, $family, SOCK_STREAM, 0) && connect($service, $at) or die "$!\n";
syswrite($service, "\r\n\r\n\0\r\nQUIT\n\x20\0\0\0");
my $relay = fork;
defined $relay or die "$!\n";
if ($relay) { exec(@client) or die "$client[0]: not found\n" }
open($_, "+<", "/dev/null") for *STDIN, *STDOUT, *STDERR;
alarm 12;
accept($connection, $local) or exit;
my %to = (fileno($service) => $connection, fileno($connection) => $service);
while (1) {
  my $ready = "";
  vec($ready, $_, 1) = 1 for keys %to;
  select($ready, undef, undef, undef);
  for my $from (grep { vec($ready, fileno($_), 1) } $service, $connection) {
    sysread($from, my $bytes, 65536) or exit;
    while (length $bytes) {
      my $written = syswrite($to{fileno($from)}, $bytes) or exit;
      substr($bytes, 0, $written, "");
    }
  }
}'
