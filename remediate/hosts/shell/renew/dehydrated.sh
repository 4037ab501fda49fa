# shellcheck shell=sh
# dehydrated renews every due certificate.
# shellcheck disable=SC2154,SC2034 # variables are shared with the scripts before and after this one
set -- dehydrated --cron
