# shellcheck shell=sh
# shellcheck disable=SC2154,SC2034,SC2329 # variables and functions are shared with the scripts before and after this one
# Has the panel restart a service by its scripts ($scripts); the first has to exist. The panel does not report for how
# long the service did not respond, so the time of the restart is printed as the upper limit. The output of a script goes
# to a file, because a daemon that the script starts may keep the output open. Runs after the functions of trust/.
now() { read -r up _ </proc/uptime; echo "$up"; }
umask 022
began=$(now)
temporary=$(umask 077 && mktemp -d)
for script in $scripts; do
  [ -x "$script" ] || { [ "$script" != "${scripts%% *}" ] && continue; echo "there is no $script on the host"; exit 1; }
  trusted_path "$script" || { echo "$script: $why"; exit 1; }
  capture "$temporary/output" "$script" && status=0 || status=$?
  last=$(grep . "$temporary/output" | tail -n 1)
  [ "$status" = 0 ] || { remove_tree "$temporary"; echo "$script: ${last:-it printed nothing}"; exit 1; }
done
remove_tree "$temporary"
echo "gap $(echo "$began $(now)" | awk '{ printf "%.2f", $2 - $1 }')"
