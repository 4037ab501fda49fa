#!/bin/sh
# $1: the number of hosts. Starts them one after another, each with namespaces of its own on one bridge, sshd and nginx.
# Host N has the address 198.19.N.2 and the files in /fleet/N; they end with the process namespace of this host.
set -eu
ip link add name fleet type bridge
ip addr add 198.19.0.1/16 dev fleet
ip link set fleet up
number=1
while [ "$number" -le "$1" ]; do
    ip netns add "host$number"
    ip link add name "to$number" type veth peer name inside netns "host$number"
    ip link set "to$number" master fleet up
    mkdir -p "/fleet/$number/log"
    setsid ip netns exec "host$number" unshare --pid --mount --uts --ipc --fork --kill-child \
        sh "${0%/*}/host.sh" "$number" </dev/null >"/fleet/$number/log/start" 2>&1 &
    number=$((number + 1))
done
