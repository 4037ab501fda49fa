#!/bin/sh
# Stands in for ssh: keeps each command of a host and its input in the folder $RECORDED, and runs it.
case " $* " in *" -G "* | *" -N "*) exec /usr/bin/ssh "$@" ;; esac
for command; do :; done
number=1
while ! mkdir "$RECORDED/$number" 2>/dev/null; do number=$((number + 1)); done
printf %s "$command" >"$RECORDED/$number/command"
tee "$RECORDED/$number/input" | exec /usr/bin/ssh "$@"
