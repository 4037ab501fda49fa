# shellcheck shell=sh
# dehydrated renews all that is due.
# shellcheck disable=SC2154,SC2034 # variables are shared with the scripts before and after this one
set -- dehydrated --cron
