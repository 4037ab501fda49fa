# shellcheck shell=sh
# shellcheck disable=SC2154,SC2034,SC2329 # variables and functions are shared with the scripts before and after this one
# The work directory of a case on its host. $1: root, $2: case, $3: the run that works there. Runs after the functions
# of trust/ and common/prelude.sh.
root=$1 case=$2 owner=$3
shift 3
