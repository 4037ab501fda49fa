# shellcheck shell=sh
# shellcheck disable=SC2154,SC2034,SC2329 # variables and functions are shared with the scripts before and after this one
# The beginning of every script of a repair, after the functions of trust/.
LC_ALL=C PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin
export LC_ALL PATH
umask 077
fail() { status=$1; shift; echo "$*" >&2; exit "$status"; }
durable() { sync -f "$1" 2>/dev/null || sync; }
