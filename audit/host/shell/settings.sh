# shellcheck shell=sh
# The settings of the shell that runs a script.
set +aefuvx
unset IFS CDPATH
LC_ALL=C PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin
export LC_ALL PATH
