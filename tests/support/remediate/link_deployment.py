"""The shell by which version 0e8cbdd of this program made links of the configured paths: tests start from what it left.

It is that version's own text, as it ran on hosts; nothing in it is to be improved.
"""

from __future__ import annotations

from typing import Final

from remediate.deployment.versions import FileSet, Version
from remediate.hosts.command import Command

_LOCKED: Final = r"""
LC_ALL=C PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin
export LC_ALL PATH
umask 077
root=$1 case=$2 owner=$3
shift 3
fail() { status=$1; shift; echo "$*" >&2; exit "$status"; }
durable() { sync -f "$1" 2>/dev/null || sync; }

set -eu
full() {
  set -- $(df -Pk "$root" 2>/dev/null | tail -n 1)
  [ "${4:-}" != 0 ] || echo "the file system of $root is full: $6 ($1)" >&2
}
trap 'status=$?; [ "$status" = 0 ] || full; exit "$status"' EXIT
command -v flock >/dev/null || fail 69 "there is no flock (util-linux) on the host: nothing can be locked"
[ -d "$root" ] || mkdir -m 711 "$root"
[ -O "$root" ] && [ ! -L "$root" ] || fail 77 "$root does not belong to $(id -un)"
[ -d "$root/$case" ] || mkdir -m 711 "$root/$case"
exec 9>>"$root/lock"
for attempt in 1 2 3 4 5 6; do
  flock -n 9 && break
  [ "$attempt" -lt 6 ] || { echo "locked $(cat "$root/lock")"; exit 75; }
  sleep 0.2 2>/dev/null || sleep 1
done
printf "%s %s %s\n" "$(date +%s)" "$case" "$owner" >"$root/lock"
"""
_LIBRARY: Final = r"""
like() {
  set -- "$2" $(stat -L -c "%u:%g %a" "$1")
  [ "$(stat -c %u:%g "$1")" = "$2" ] || give "$1" "$2"
  chmod "$3" "$1"
}
give() {
  [ "$(id -u)" != 0 ] || { chown "$2" "$1"; return; }
  chown "$2" "$1" 2>/dev/null || chgrp "${2#*:}" "$1" 2>/dev/null || :
}
mirror() {
  from='' to=$1 rest=${2#/}
  while :; do
    case $rest in */*) ;; *) break ;; esac
    from=$from/${rest%%/*} to=$to/${rest%%/*} rest=${rest#*/}
    [ -d "$to" ] && continue
    mkdir "$to"
    if [ -d "$from" ]; then like "$from" "$to"; chmod go-w "$to"; else chmod 755 "$to"; fi
  done
}
point() { rm -f "$1.new"; ln -s "$2" "$1.new"; mv -fT "$1.new" "$1"; }

agree() {
  version=$1 left=$2 expected=
  shift 2
  while [ "$left" -gt 0 ]; do
    case $2 in *l*) same "$1" "$(openssl x509 -in "$version$1" -noout -pubkey 2>/dev/null)" || return 1 ;; esac
    case $2 in *k*) same "$1" "$(openssl pkey -in "$version$1" -passin pass: -pubout 2>/dev/null)" || return 1 ;; esac
    shift 2
    left=$((left - 1))
  done
}
same() {
  [ -n "$2" ] || { echo "no public key can be read from $1"; return 1; }
  [ "${expected:=$2}" = "$2" ] || { echo "the key does not belong to the certificate: $1"; return 1; }
}

is_ours() { [ "$(readlink "$1")" = "$folder/live$1" ]; }
in_use() { readlink live; }

known() {
  left=$1
  shift
  while [ "$left" -gt 0 ]; do
    is_ours "$1" "$2" || return 1
    shift 2
    left=$((left - 1))
  done
}
keep() {
  left=$1
  shift
  while [ "$left" -gt 0 ]; do
    mirror "$old.part" "$1"
    [ ! -e "$1" ] || cp -p "$1" "$old.part$1"
    shift 2
    left=$((left - 1))
  done
}
lead() {
  left=$1
  shift
  while [ "$left" -gt 0 ]; do
    [ ! -e "$1" ] || cmp -s "$1" "$old$1" || fail 75 "$1 was changed by somebody else at this moment"
    [ -d "${1%/*}" ] || mkdir -p -m 755 "${1%/*}"
    rm -f "$1.sslaudit"
    ln -s "$folder/live$1" "$1.sslaudit"
    mv -fT "$1.sslaudit" "$1"
    shift 2
    left=$((left - 1))
  done
}

adopt() {
  known "$@" && return
  old=0
  [ ! -e 0 ] || old=0-$(date +%s)-$$
  rm -rf ./*.part
  mkdir -m 711 "$old.part"
  keep "$@"
  durable .
  mv -T "$old.part" "$old"
  point proven "$old"
  point live "$old"
  lead "$@"
}

bring() {
  point live "$1" 2>/dev/null && return
  said="the link cannot be changed"
  return 1
}
recall() { mv -fT way-back live; }
untouched() { return 1; }

say() { printf "%s %s %s %s\n" "$(date +%s)" "$name" "$1" "$2" >>state || :; }
prove() { [ "$(readlink proven)" = "$1" ] || { point before "$(readlink proven)"; point proven "$1"; }; }
"""
_STAGE: Final = r"""
folder=$root/$case/$1 name=$2 key=$3 leaf=$4 chain=$5
shift 5
[ -d "$folder" ] || mkdir -m 711 "$folder"
cd "$folder"
[ ! -d "$name" ] || { echo "staged $name"; exit 0; }
[ -r "$key" ] || fail 1 "the key $key is not there"
rm -rf ./*.part
mkdir -m 711 "$name.part"
pour() {
  case $1 in k*) sed -n "/^-----BEGIN .*PRIVATE KEY-----/,/^-----END/p" "$key" ;; esac
  case $1 in *l*) printf "%s" "$leaf" ;; esac
  case $1 in *c*) printf "%s" "$chain" ;; esac
  [ ! -e "$2" ] || sed -n "/^-----BEGIN DH PARAMETERS-----/,/^-----END/p" "$2"
}
put() {
  mirror "$name.part" "$1"
  pour "$2" "$1" >"$name.part$1"
  [ "$(cat "$name.part$1")" = "$(pour "$2" "$1")" ] || fail 1 "$PWD/$name.part$1 does not hold what was written to it"
  if [ -e "$1" ]; then like "$1" "$name.part$1"
  else case $2 in *k*) ;; *) chmod 644 "$name.part$1" ;; esac
  fi
}
each() { while [ $# -gt 0 ]; do put "$1" "$2"; shift 2; done; }
each "$@"
said=$(agree "$name.part" $(($# / 2)) "$@") || { rm -rf "$name.part"; fail 1 "$said"; }
durable .
mv -T "$name.part" "$name"
echo "staged $name"
"""
_DETACHED: Final = r"""
cd "$1" || exit 1
folder=$1 name=$2 patience=$3 returns=$4 files=$5
shift 5
trap : HUP
trap leave TERM INT
limit=
timeout 1 true 2>/dev/null && limit="timeout 60"
leave() { mv "offer.$name" "withdrawn.$name" 2>/dev/null || :; }
try() {
  $limit sh -c "umask 022
$1" </dev/null >said 2>&1 9>&-
  status=$?
  said=$(tr -c "[:print:]" " " <said | cut -c 1-400)
  return $status
}
services() {
  what=$1
  shift $((1 + 2 * files))
  while [ $# -gt 0 ]; do
    case $what in
      test) try "$2" || { said="$1: $said"; return 1; } ;;
      take-up) try "$3" || { said="$1: $said"; return 1; } ;;
      return) try "$3" || try "$4" || say failed "$1: $said" ;;
    esac
    case "$what $said" in
      test*) ;;
      *gap*) say gap "$1 ${said##*gap }" ;;
    esac
    shift 4
  done
}
go_back() {
  why=$1
  shift
  [ "$returns" = yes ] && [ -L way-back ] || { say kept "$why"; exit 1; }
  say returning "$why"
  recall "$files" "$@" || { say kept "$why; and there is no way back: $said"; exit 1; }
  services return "$@"
  say returned "$why"
  exit 1
}
not_brought() {
  untouched "$files" "$@" || go_back "$said" "$@"
  [ ! -L way-back ] || mv -fT way-back live
  say refused "$said"
  exit 1
}
confirmed() { rm -f "taken.$name" way-back; say confirmed "$1"; exit 0; }
seconds() { read -r up rest </proc/uptime; echo "${up%%.*}"; }

if [ -e "taken.$(readlink live)" ]; then
  prove "$(readlink live)"
  [ "$(readlink live)" != "$name" ] || confirmed "before a crash"
fi
rm -f offer.* taken.* withdrawn.* way-back
back=$(readlink proven)
[ "$back" = "$name" ] || ln -s "$back" way-back || { say refused "no way back can be laid"; exit 1; }

said=$(agree "$name" "$files" "$@") || { say refused "$said"; exit 1; }
services test "$@" && before= || before=" (nor was it before)"
say switching "from $(readlink live)"
bring "$name" "$files" "$@" || not_brought "$@"
say switched ""
services test "$@" || go_back "the configuration is not good$before: $said" "$@"
services take-up "$@" || go_back "not taken up: $said" "$@"
say taken-up ""
[ "$patience" -gt 0 ] || { prove "$name"; confirmed "by nobody, as told"; }
: >"offer.$name"
say waiting "$patience s for a confirmation"
end=$(($(seconds) + patience))
while [ -e "offer.$name" ] && [ "$(seconds)" -lt "$end" ]; do sleep 0.1 2>/dev/null || sleep 1; done
mv "offer.$name" "withdrawn.$name" 2>/dev/null && go_back "not confirmed within $patience s" "$@"
[ -e "taken.$name" ] || go_back "called back" "$@"
prove "$name"
confirmed "in time"
"""
_START: Final = r"""
folder=$root/$case/$1 name=$2 patience=$3 returns=$4 files=$5 detached=$6
shift 6
cd "$folder" || fail 65 "nothing was laid ready in $folder"
case $name in proven | before) name=$(readlink "$name") || fail 65 "there is no such version" ;; esac
[ -d "$name" ] || fail 65 "version $name was not laid ready"
if [ -e "$name.modes" ]; then # it was put away when it was replaced
  while read -r mode path; do chmod "$mode" "$path"; done <"$name.modes"
  rm -f "$name.modes"
fi
said=$(agree "$name" "$files" "$@") || { say refused "$said"; fail 1 "$said"; }
adopt "$files" "$@"
say begun "$owner"
setsid sh -c '"$@" &' sh sh -c "$detached" sslaudit-switch "$folder" "$name" "$patience" "$returns" "$files" "$@" \
  </dev/null >/dev/null 2>&1
echo "begun $name"
"""
_PRUNE: Final = r"""
days=$1
shift
spared=" $case $* "
gone() { find "$1" -type f -exec shred -u {} + 2>/dev/null || :; rm -rf "$1"; }
seal() {
  [ -d "$1" ] || return 0
  if [ ! -e "$1.modes" ]; then
    find "$1" -type f -exec stat -c "%a %n" {} + >"$1.modes.new"
    mv -f "$1.modes.new" "$1.modes"
  fi
  find "$1" -type f -exec chmod 600 {} +
}
ours() {
  expr "${1##*/}" : "[0-9a-f]\{16\}\$" >/dev/null || return 1
  for entry in "$1"/* "$1"/.[!.]*; do
    case ${entry##*/} in
      pending | pending.gone | renewal | "*" | ".[!.]*") ;;
      *) expr "${entry##*/}" : "[0-9a-f]\{12\}\$" >/dev/null && [ -d "$entry" ] || return 1 ;;
    esac
  done
}
leads() {
  find "$1" -mindepth 3 -type f -exec sh -c '
    from=$1 root=$2 case=$3
    shift 3
    for file in "$@"; do
      rest=${file#"$from"/}
      own=${rest%%/*} rest=${rest#*/}
      path=/${rest#*/}
      case $(readlink "$path") in
        "$from/$own/live$path") echo used ;;
        "$root/$case/"*) echo replaced ;;
        *) echo other ;;
      esac
    done' sh "$1" "$root" "$case" {} + | sort -u
}
for own in "$root/$case"/*/; do
  own=${own%/}
  [ -L "$own/live" ] || continue
  cd "$own"
  kept=" $(readlink live) $(readlink proven) $(readlink before || :) $(readlink way-back || :) "
  for version in */; do
    version=${version%/}
    [ ! -L "$version" ] || continue
    case $kept in *" $version "*) ;; *) gone "$version"; rm -f "$version.modes" ;; esac
  done
  before=$(readlink before || :)
  [ -z "$before" ] || [ "$before" = "$(readlink live)" ] || seal "$before"
done
for folder in "$root"/*/; do
  folder=${folder%/}
  case $spared in *" ${folder##*/} "*) continue ;; esac
  [ ! -L "$folder" ] && ours "$folder" || continue
  led=$(leads "$folder")
  case $led in
    *used*) continue ;;
    replaced) [ -e "$folder/pending" ] || { gone "$folder"; continue; } ;;
  esac
  [ -n "$(find "$folder" -mtime "-$days" | head -n 1)" ] || gone "$folder"
done
"""


def _command(file_set: FileSet, body: str, *arguments: str) -> Command:
    workdir = file_set.workdir
    own = file_set.folder.rpartition("/")[2]
    return Command(workdir.host, "as before", _LOCKED + body, (*workdir.leading_arguments, own, *arguments))


def stage_then(file_set: FileSet, version: Version) -> Command:
    """Return the command that laid a version ready."""
    given = (version.name, version.key_path, version.leaf_pem, version.chain_pem)
    return _command(file_set, _LIBRARY + _STAGE, *given, *file_set.pairs)


def start_then(file_set: FileSet, name: str, service: tuple[str, ...], confirm_within_s: int = 0) -> Command:
    """Return the command that started a switch; of a service its name, test, reload and start."""
    options = (name, str(confirm_within_s), "yes", str(len(file_set.targets)), _LIBRARY + _DETACHED)
    return _command(file_set, _LIBRARY + _START, *options, *file_set.pairs, *service)


def prune_then(file_set: FileSet) -> Command:
    """Return the command that put away what was replaced."""
    workdir = file_set.workdir
    return Command(workdir.host, "as before", _LOCKED + _PRUNE, (*workdir.leading_arguments, "30"))
