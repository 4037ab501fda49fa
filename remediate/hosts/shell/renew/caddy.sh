# shellcheck shell=sh
# Caddy looks at every certificate when its configuration is loaded, and renews in the background what is due.
# shellcheck disable=SC2154,SC2034 # variables are shared with the scripts before and after this one
if systemctl is-active --quiet caddy 2>/dev/null; then set -- systemctl reload caddy
else
  needs_trust /etc/caddy/Caddyfile
  set -- caddy reload --config /etc/caddy/Caddyfile --force
fi
