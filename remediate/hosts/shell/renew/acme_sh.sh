# shellcheck shell=sh
# acme.sh: the files are its own, or copies on a list that it keeps for each certificate. It reads these lists as shell.
# shellcheck disable=SC2154,SC2034 # variables are shared with the scripts before and after this one
folder=$(places "$@" | sed -nE "s#^(.*/\.acme\.sh/[^/]+)/.*#\1#p" | sort -u)
[ -n "$folder" ] || folder=$(
  for conf in /root/.acme.sh/*/*.conf "$HOME"/.acme.sh/*/*.conf; do
    for path in "$@"; do
      ! grep "^Le_Real" "$conf" 2>/dev/null | grep -qF "'$path'" || echo "${conf%/*}"
    done
  done | sort -u
)
only "$folder" "acme.sh lists none of the files"
home=${folder%/*} domain=${folder##*/}
needs_trusted_tree "$home"
case $domain in
  *_ecc) set -- "$home/acme.sh" --renew --home "$home" -d "${domain%_ecc}" --ecc ;;
  *) set -- "$home/acme.sh" --renew --home "$home" -d "$domain" ;;
esac
