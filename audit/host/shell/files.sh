# shellcheck shell=sh disable=SC2016,SC2034,SC2154  # texts for another shell; limit_s and why are of trust/
# Inspects the certificate and key files that a configuration names. It needs the functions of trust/ and prologue.sh.
#
# Root reads a file only along a trusted path. A certificate below the directory of one other user is read with the rights
# of that user, so root opens nothing that this user could put in the way. In all other cases the file is not read, and the
# output names the component and its owner. Owner and mode come from stat(1), which opens no file.

me=$(id -u)
file_bytes=@FILE_BYTES@
began=$(date +%s)
trusted_path / # reads the list of mounts, once for all files
# A user can delay each reading of its file until the limit, and all readings of these files together for 12 s.
case $limit in
timeout*) limit="${limit% *} 3" ;;
*) limit_s=3 ;;
esac

one_line() {
  case $1 in
  *[![:print:]]*) printf %s "$1" | tr "\000-\037\177" "?" && echo ;;
  *) print "$1" ;;
  esac
}
# Directories above a file with mode, owner and group, from the file's own up; "+" marks an ACL. One ls(1) and one stat(1) read
# all of them. ls sorts its lines, so the last is that of the file's own directory.
above() {
  up=${1%/*}
  set --
  while [ -n "$up" ]; do
    set -- "$@" "$up"
    up=${up%/*}
  done
  [ $# -gt 0 ] || return 0
  marks='' count=0 rest=$($limit ls -ld -- "$@" 2>/dev/null) modes=$($limit stat -c "%a %u %g" -- "$@" 2>/dev/null)
  left=$modes
  while [ -n "$rest" ] && [ -n "$left" ]; do
    case ${rest%%[ "$t_line"]*} in *+) marks="+$marks" ;; *) marks="-$marks" ;; esac
    case $rest in *"$t_line"*) rest=${rest#*"$t_line"} ;; *) rest='' ;; esac
    case $left in *"$t_line"*) left=${left#*"$t_line"} ;; *) left='' ;; esac
    count=$((count + 1))
  done
  if [ "$count$rest$left" != $# ]; then # a directory has gone, or there is a line break in a name
    for up in "$@"; do only_above "$up"; done
    return
  fi
  for up in "$@"; do
    print "folder ${modes%%"$t_line"*} ${marks%"${marks#?}"} $(one_line "$up")"
    modes=${modes#*"$t_line"} marks=${marks#?}
  done
}
only_above() {
  case $($limit ls -ld -- "$1" 2>/dev/null) in ??????????+*) marks=+ ;; *) marks=- ;; esac
  print "folder $($limit stat -c "%a %u %g" -- "$1" 2>/dev/null) $marks $(one_line "$1")"
}
nearest() {
  d=$1
  while [ ! -e "$d" ] && [ "$d" != / ]; do
    case $d in */*) ;; *) return ;; esac
    d=${d%/*} d=${d:-/}
  done
  [ -x "$d" ] || echo "closed $(one_line "$d")"
}
acl() {
  t_marks=$($limit ls -Lld -- "$f" 2>/dev/null)
  case ${t_marks%% *} in
  *+) if command -v getfacl >/dev/null; then
    $limit getfacl -cpE -- "$f" 2>/dev/null | sed -n "s/^[a-z]*:[^:]*:[-rwx]*$/acl &/p"
  else echo "acl unread"
  fi ;;
  esac
}
# Runs a shell text that reads "$1", as us or with the rights of the owner of $folder.
reading() {
  if [ "$reader" = owner ]; then as_owner "$folder" "$1" "$f"; else $limit sh -c "$1" sh "$r"; fi
}
public_key='grep -q "PRIVATE KEY-----" "$1" || { echo none; exit; }
command -v openssl >/dev/null || { echo no-openssl; exit; }
openssl pkey -in "$1" -passin pass: -pubout 2>/dev/null && exit
if grep -q ENCRYPTED "$1"; then echo encrypted; else echo unparseable; fi'
key() {
  said=$(reading "$public_key" 2>/dev/null | head -c 20000)
  case $said in
  none | no-openssl | encrypted) echo "key $said" ;;
  "-----BEGIN PUBLIC KEY-----"*)
    said=$(print "$said" | $limit openssl pkey -pubin -outform DER 2>/dev/null | openssl dgst -sha256)
    echo "key ${said##*= }"
    ;;
  *) echo "key unparseable" ;;
  esac
}
# Prints only the base64 lines of a certificate; any other line becomes "!".
certificates() {
  reading "head -c $file_bytes \"\$1\"" 2>/dev/null | without_keys |
    sed -n "/^-----BEGIN \(X509 \)\{0,1\}CERTIFICATE-----[[:space:]]*$/,/^-----END/{
s/[[:space:]]*$//
/^-----\(BEGIN\|END\) \(X509 \)\{0,1\}CERTIFICATE-----$/!{
/^[A-Za-z0-9+\/=]*$/!s/.*/!/
}
p
}"
}
# Sets $r, the file itself, and $reader: us, the owner of $folder, or none.
find_reader() {
  r='' reader=us refusal=''
  if trusted_entry "$f"; then
    r=$real
    return
  fi
  refusal=$why
  r=$($limit readlink -f -- "$f") || r=$f
  [ "$me" = 0 ] || return
  reader=none
  owner_of "$f" || return
  user=$owner_uid
  for folder in "${f%/*}" "${r%/*}"; do
    trusted_path "$folder" && continue
    owner_of "$folder" && [ "$owner_uid" = "$user" ] && reader=owner && break
  done
  [ $(($(date +%s) - began)) -lt 12 ] || reader=none refusal="reading the files of other users took too long"
}
# look USES PATH: "k" in USES requests the digest of a key, "c" the certificates.
look() {
  f=$2
  find_reader
  echo "real $(one_line "$r")"
  if [ ! -e "$f" ]; then
    nearest "$f"
    [ ! -L "$f" ] || echo "dangling $(one_line "$(readlink -- "$f")")"
    echo missing
    return
  fi
  $limit stat -L -c "stat %a %U %G %F" -- "$f" || { echo denied; return; }
  acl
  above "$r"
  [ ! -d "$f" ] || { echo directory; return; }
  [ -f "$f" ] || { echo special; return; }
  bytes=$($limit stat -L -c %s -- "$f") || return
  [ "$bytes" -le "$file_bytes" ] || { echo "large $bytes"; return; }
  [ "$bytes" != 0 ] || { echo empty; return; }
  [ "$reader" != none ] || { echo "refused $(one_line "$refusal")"; return; }
  [ -r "$f" ] || { echo denied; return; }
  case $reader in
  owner) reading 'test -r "$1"' 2>/dev/null || { echo "unreadable $(one_line "$refusal")"; return; } ;; esac
  case $1 in *k*) key ;; esac
  case $1 in *c*) certificates ;; esac
}
