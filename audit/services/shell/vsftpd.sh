# shellcheck shell=sh disable=SC2154,SC2148
# vsftpd: its file.
[ -n "$bin" ] || return 0
c=$(use_words | sed -n '2,$p' | grep -v '^-' | head -n 1)
[ -n "$c" ] || for f in /etc/vsftpd.conf /etc/vsftpd/vsftpd.conf; do [ -e "$f" ] && c=$f && break; done
case $c in
/*) section files follow / '' "$c" ;;
esac
return 0
