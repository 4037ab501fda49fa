# shellcheck shell=sh disable=SC2154,SC2148
# pure-ftpd: the settings of its start script or its file.
[ -n "$bin" ] || return 0
# Debian's start script reads the folder. Debian also installs the file, but no program reads it.
if [ -d /etc/pure-ftpd/conf ]; then
  walk /etc/pure-ftpd '' 'conf/*'
  IFS=$t_line
  set -f
  # shellcheck disable=SC2086  # a name a line
  set -- $readable
  unset IFS
  set +f
  [ $# -eq 0 ] || section conf grep -H '' "$@" && return 0
fi
for f in /etc/pure-ftpd.conf /etc/pure-ftpd/pure-ftpd.conf; do
  [ -r "$f" ] && section conf read_trusted "$f" && return 0
done
return 0
