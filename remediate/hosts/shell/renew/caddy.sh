# shellcheck shell=sh
# Caddy checks every certificate when it loads its configuration, and renews the due ones in the background.
# shellcheck disable=SC2154,SC2034 # variables are shared with the scripts before and after this one
if systemctl is-active --quiet caddy 2>/dev/null; then set -- systemctl reload caddy
else
  needs_trust /etc/caddy/Caddyfile
  set -- caddy reload --config /etc/caddy/Caddyfile --force
fi
