# shellcheck shell=sh
# Has the panel's program queue an action: $1 program, $2 action, $3 PATH, $4 HOME, then the arguments of the program.
# If at is missing, or the user may not use it, the program itself reports that.
# shellcheck disable=SC2154,SC2034 # variables are shared with the scripts before and after this one
program=$1 action=$2 path=$3 home=$4
shift 4
[ -x "$program" ] || exit 66
cd / && umask 077
numbers() { atq 2>/dev/null | cut -f1 | sort; }
before=$(numbers) me=$(id -un)
PATH=$path
set_limit 60
if trusted_path "$program"; then run_trusted "$(command -v env)" HOME="$home" "$program" --action "$action" "$@" 2>&1
else
  echo "$program is not run: $why"
  false
fi
echo "ended $?"
atq 2>/dev/null | while read -r number rest; do
  [ "${rest##* }" = "$me" ] || continue
  printf '%s\n' "$before" | grep -qxF "$number" || printf 'new %s\t%s\n' "$number" "$rest"
done
