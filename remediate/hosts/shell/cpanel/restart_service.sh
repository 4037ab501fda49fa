# shellcheck shell=sh
# shellcheck disable=SC2154,SC2034,SC2329 # variables and functions are shared with the scripts before and after this one
# Lets the panel restart a service. $scripts: its scripts; the first has to exist. How long no process answered cannot be
# seen from here: at most as long as the restart took. What a script prints goes to a file: a daemon that it starts may
# keep its output open. Prepended: the functions of trust/.
now() { read -r up _ </proc/uptime; echo "$up"; }
umask 022
began=$(now)
heard=$(umask 077 && mktemp -d)
for script in $scripts; do
  [ -x "$script" ] || { [ "$script" != "${scripts%% *}" ] && continue; echo "there is no $script on the host"; exit 1; }
  trusted_path "$script" || { echo "$script: $why"; exit 1; }
  capture "$heard/output" "$script" && status=0 || status=$?
  last=$(grep . "$heard/output" | tail -n 1)
  [ "$status" = 0 ] || { remove_tree "$heard"; echo "$script: ${last:-it printed nothing}"; exit 1; }
done
remove_tree "$heard"
echo "gap $(echo "$began $(now)" | awk '{ printf "%.2f", $2 - $1 }')"
