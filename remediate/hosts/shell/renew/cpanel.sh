# shellcheck shell=sh
# The panel's own program, by its absolute path, because a command of this project has the same name. It queues no
# retry.
# shellcheck disable=SC2154,SC2034 # variables are shared with the scripts before and after this one
set -- /usr/local/cpanel/bin/checkallsslcerts --verbose
