#!/bin/sh
# $1: the number of this host. The first process of its namespaces: it starts sshd and nginx and stays.
set -eu
mount -t proc proc /proc
echo "host$1.example.test" >/proc/sys/kernel/hostname
mount -t tmpfs tmpfs /run
mkdir /run/sshd
mount --bind "/fleet/$1/ssl" /etc/ssl/nginx
mount --bind "/fleet/$1/nginx" /etc/nginx
mount --bind "/fleet/$1/log" /var/log
mkdir -p /var/log/nginx
ip link set lo up
ip addr add "198.19.$1.2/16" dev inside
ip link set inside up
nginx
/usr/sbin/sshd -E /var/log/sshd.log
# The kernel reaps what the daemons leave behind.
exec env --ignore-signal=CHLD sleep infinity
