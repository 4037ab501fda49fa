# shellcheck shell=sh
# Prints the jobs of this user in atd's queue that contain text $1 or text $2.
# shellcheck disable=SC2154,SC2034 # variables are shared with the scripts before and after this one
if ! command -v at >/dev/null || ! command -v atq >/dev/null; then
  echo "at is not installed" >&2
  exit 127
fi
me=$(id -un)
atq | while read -r number rest; do
  [ "${rest##* }" = "$me" ] || continue
  if at -c "$number" | grep -qF -e "$1" -e "$2"; then printf '%s\t%s\n' "$number" "$rest"; fi
done
