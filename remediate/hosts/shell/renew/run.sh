# shellcheck shell=sh
# Runs the command, then prints `ended`, its status and the end of its output. The command does not inherit the lock
# (descriptor 9), because it may start processes that keep running.
# shellcheck disable=SC2154,SC2034 # variables are shared with the scripts before and after this one
agent=$1
shift
program=$(command -v "$agent") || fail 69 "there is no $agent on the host"
needs_trust "$program"
status=0
(
  umask 022
  exec 9>&-
  output_to "$root/$case/renewal" run_trusted "$program" "$@"
) || status=$?
echo "ended $status"
tail -c "$printed" "$root/$case/renewal" | tr -c "[:print:]\n" " "
