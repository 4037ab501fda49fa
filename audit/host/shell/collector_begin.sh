#!/bin/sh
# shellcheck shell=sh
# sslaudit collector: what an audit by pytest-sslaudit does on a host, for a login that may run this program alone as root.
# It must belong to root, and only root may be able to write it. It takes no arguments. Standard input is a request: data
# that is verified here, never shell. It changes nothing, and it prints no private key.
[ "$#" -gt 0 ] || exec env -i HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
  /bin/sh "$0" clean
HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export HOME PATH
cd / || exit 126
