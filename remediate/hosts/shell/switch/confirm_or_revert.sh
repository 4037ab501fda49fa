# shellcheck shell=sh
# shellcheck disable=SC2154,SC2034,SC2329 # variables and functions are shared with the scripts before and after this one
# Decides a waiting switch: `taken` confirms version $2, `withdrawn` reverts it. Waits until the decision is recorded.
# The decision and the timeout of the switch rename the same file, so exactly one of them comes first. $4 marks a
# version that every address rejected; it is not activated again. Runs after switch/record_state.sh.
folder=$root/$case/$1 name=$2 decision=$3 mark=$4
cd "$folder" || fail 65 "nothing was switched here"
[ -z "$mark" ] || write_file 600 "$folder/rejected.$name" </dev/null
rename_file "$folder/offer.$name" "$folder/$decision.$name" 2>/dev/null || :
n=0
while [ $n -lt 50 ]; do
  case $(last_state) in "$name confirmed" | "$name returned" | "$name broken" | "$name kept") break ;; esac
  if [ -e "$folder/taken.$name" ] && flock -n "$root/lock" true; then
    mark_proven "$name"
    remove_file "$folder/taken.$name"
    remove_file "$folder/way-back"
    record_event confirmed "after the script had ended"
  fi
  n=$((n + 1))
  sleep 0.2 2>/dev/null || sleep 1
done
