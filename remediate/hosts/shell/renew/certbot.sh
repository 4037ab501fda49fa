# shellcheck shell=sh
# certbot: `renew` sleeps for up to eight minutes without a terminal, unless an option prevents it (since 0.30).
# shellcheck disable=SC2154,SC2034 # variables are shared with the scripts before and after this one
name=$(places "$@" | sed -nE "s#^/etc/letsencrypt/(live|archive)/([^/]+)/.*#\2#p" | sort -u)
only "$name" "none of the files is below /etc/letsencrypt/live"
needs_trust "/etc/letsencrypt/renewal/$name.conf"
set -- certbot renew --cert-name "$name" --non-interactive --no-random-sleep-on-renew
