#!/bin/sh
# $1: the folder of the recorded commands; $2: a folder for sockets; $3: a host. Runs the commands over one connection.
set -eu
number=1
while [ -d "$1/$number" ]; do
    ssh -T -o BatchMode=yes -o ControlMaster=auto -o ControlPersist=60 -o "ControlPath=$2/%C" "root@$3" \
        "$(cat "$1/$number/command")" <"$1/$number/input" >"$2/$3.$number" 2>/dev/null
    number=$((number + 1))
done
ssh -o "ControlPath=$2/%C" -O exit "root@$3" 2>/dev/null
