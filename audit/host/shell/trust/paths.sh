# shellcheck shell=sh
# What root may trust on a host, and the only verbs by which our scripts act there. POSIX sh (dash, busybox ash).
#
# Root follows a path only if root or the login alone can change each component. Then no other party can replace a
# component between the check and the use. Otherwise the work runs with the rights of the directory's owner, or it is
# refused. Names that begin with t_ are private. This text is in four files, which are loaded as one in this order: paths,
# processes, acts and owner. This one decides about paths.
#
# shellcheck disable=SC2034  # real, kind, size, words and the like are for the files and scripts that follow

why='' real='' missing='' kind='' size='' bin='' words='' unit='' owner_uid='' owner_gid=''
t_line='
'
t_tab='	'
t_me=$(id -u)
t_owner_mode=''    # yes: we run with the rights of a directory's owner, and the kernel checks them
t_mounts=/proc/self/mountinfo
t_foreign=unread   # devices of file systems that other users mounted
t_programs=$t_line   # programs that are trusted: only root can change that
t_sound=$t_line      # directories that are trusted, in which other users cannot make names
t_asked=''         # units that were read from systemctl
t_most=16777216    # bytes of a file that is copied

# Runs a command for at most $limit_s seconds (10) where the host has no timeout(1).
t_watched() {
  "$@" &
  t_child=$!
  { sleep "${limit_s:-10}" && kill -KILL "$t_child"; } >/dev/null 2>&1 &
  t_guard=$!
  wait "$t_child"
  t_status=$?
  kill "$t_guard" 2>/dev/null
  return "$t_status"
}
limit=t_watched
for t_word in "timeout -k 2 ${limit_s:-10}" "timeout ${limit_s:-10}"; do
  # shellcheck disable=SC2086  # a command and its words
  if $t_word true 2>/dev/null; then
    limit=$t_word
    break
  fi
done

# Sets $why to one printable line.
t_no() {
  why=$1
  case $why in
  *[![:print:]]*) why=$(printf %s "$why" | tr -c ' -~' '?') ;;
  esac
  return 1
}

# Prints the reason why a verb does nothing.
t_refuse() {
  t_no "$1"
  printf '%s\n' "$why" >&2
  return 77
}

# t_walk PATH JUDGE: follows each component and each symbolic link of PATH from / by itself, and lets JUDGE see it. Sets
# $real, $missing, $kind (directory, file, other), and $size. One stat(1) for each symbolic link, and one.
# A directory in $t_sound is not looked at again: only root and the login can change it, or what is above it. A verb that runs
# a program of the host, or changes a mode or an owner, empties it.
t_walk() {
  why='' real='' missing='' kind=directory size=0 t_judge=$2 t_rest=$1 t_hops=0 t_open=''
  case $1 in
  /*) ;;
  *) t_no "$1 is not an absolute path" || return 1 ;;
  esac
  [ "$t_foreign" != unread ] || t_find_foreign
  if t_begin "$1" ''; then return
  elif t_begin "${1%/*}" "${1##*/}"; then set --
  else set -- /
  fi
  while :; do
    t_at=$real t_left=$t_rest
    while [ -n "$t_left" ]; do
      t_name=${t_left%%/*}
      case $t_left in
      */*) t_left=${t_left#*/} ;;
      *) t_left='' ;;
      esac
      case $t_name in
      '' | .) continue ;;
      ..)
        if [ $# -gt 0 ]; then
          t_left=../$t_left
          break
        fi
        # the directory above may be one where every user can make names: look at it again
        t_left=${real%/*}/$t_left real='' t_at='' t_open='' t_hops=$((t_hops + 1))
        [ "$t_hops" -le 40 ] || t_no 'it goes up more than 40 times' || return 1
        continue
        ;;
      esac
      t_at=$t_at/$t_name
      set -- "$@" "$t_at"
    done
    [ $# -gt 0 ] || break
    t_last=$t_at t_rest=$t_left
    # shellcheck disable=SC2086  # $limit is a command and its words
    t_facts=$($limit stat -c '%f %u %g %h %s %d:%i' -- "$@" 2>/dev/null)
    [ $? -le 1 ] || t_no "$t_last: stat does not respond" || return 1
    for t_at in "$@"; do
      t_step || {
        [ "$missing" = yes ] && break 2
        [ -n "$why" ] && return 1
        set --
        continue 2
      }
    done
    set --
  done
  real=${real:-/}
  [ "$missing" != yes ] || [ -z "$t_open" ] || t_no "$t_open is a directory where every user can make a name" || return 1
}

# t_begin DIRECTORY REST: goes on below a directory in $t_sound; fails if it is not there.
t_begin() {
  case $t_judge,$1 in
  *"$t_line"*) return 1 ;;
  t_trust*) ;;
  *) return 1 ;;
  esac
  case $t_sound in
  *"$t_line$1$t_line"*) [ -d "$1" ] || return 1 ;;
  *) return 1 ;;
  esac
  real=$1 t_rest=$2
}

# One component: 0 to go on; else $missing, $why, or a symbolic link whose target is now in $t_rest.
t_step() {
  if [ -z "$t_facts" ]; then
    t_absent
    return 1
  fi
  t_fact=${t_facts%%"$t_line"*}
  case $t_facts in
  *"$t_line"*) t_facts=${t_facts#*"$t_line"} ;;
  *) t_facts='' ;;
  esac
  t_parse && "$t_judge" || return 1
  if [ "$t_kind" = link ]; then
    t_follow
    return 1
  fi
  real=${t_at%/} kind=$t_kind size=$t_size
  case $t_judge,$kind,$t_open,$real in
  *"$t_line"*) ;;
  t_trust*,directory,,/*)
    case $t_sound in
    *"$t_line$real$t_line"*) ;;
    *) t_sound=$t_sound$real$t_line ;;
    esac
    ;;
  esac
}

# Takes apart a line of stat, and refuses what no user's bits decide about.
t_parse() {
  t_mode=$((0x${t_fact%% *})) t_fact=${t_fact#* }
  t_uid=${t_fact%% *} t_fact=${t_fact#* }
  t_gid=${t_fact%% *} t_fact=${t_fact#* }
  t_links=${t_fact%% *} t_fact=${t_fact#* }
  t_size=${t_fact%% *} t_id=${t_fact#* }
  case $((t_mode & 0170000)) in
  16384) t_kind='directory' ;;
  32768) t_kind='file' ;;
  40960) t_kind='link' ;;
  *) t_kind='other' ;;
  esac
  case $t_at in
  /proc) t_no "it leads into /proc" || return 1 ;;
  esac
  case $t_foreign in
  *" ${t_id%%:*} "*) t_no "$t_at is on a file system that another user mounted" ;;
  esac
}

# The target of a symbolic link takes the link's place in what is left of the path.
t_follow() {
  t_hops=$((t_hops + 1))
  [ "$t_hops" -le 40 ] || t_no "$t_at: more than 40 symbolic links follow one another, or they form a loop" || return 1
  # shellcheck disable=SC2086  # $limit is a command and its words
  t_target=$($limit readlink -n -- "$t_at" && printf x) || t_no "$t_at: its target cannot be read" || return 1
  t_target=${t_target%x}
  [ -n "$t_target" ] || t_no "$t_at: its target cannot be read" || return 1
  [ "$t_at" = "$t_last" ] || t_target=$t_target/${t_last#"$t_at"/}
  [ -z "$t_rest" ] || t_target=$t_target/$t_rest
  t_rest=$t_target
  case $t_target in
  /*) real='' t_open='' ;;
  esac
}

# The component does not exist, or its directory is not one that can be searched.
t_absent() {
  if [ "$kind" != directory ]; then
    t_no "${real:-/} is not a directory"
  elif [ "$t_at" = / ]; then
    t_no "stat does not respond"
  elif [ ! -x "${real:-/}" ]; then
    t_no "${real:-/} cannot be searched by uid $t_me"
  else
    case /$t_rest/ in
    */../*) t_no "$t_at does not exist" ;;
    *) missing=yes kind='' size=0 real=$t_last${t_rest:+/$t_rest} ;;
    esac
  fi
}

# FUSE shows the owners and modes that the mounting user's program makes up.
t_find_foreign() {
  t_foreign=' '
  t_found=$(sed -n 's/^[0-9]* [0-9]* 0:\([0-9]*\) .* - fuse.*[ ,]user_id=\([0-9]*\).*/\1:\2/p' "$t_mounts" 2>/dev/null)
  for t_word in $t_found; do
    case ${t_word#*:} in
    0 | "$t_me") continue ;;
    esac
    t_word=${t_word%%:*}
    t_foreign="$t_foreign$(((t_word & 255) | ((t_word & ~255) << 12))) "
  done
}

# The judge of trusted_path: root and the login alone can change the component.
t_trust() {
  case $t_uid in
  0 | "$t_me") ;;
  *) t_no "$t_at belongs to uid $t_uid" || return 1 ;;
  esac
  [ "$t_kind" = link ] && return 0
  if [ -n "$t_open" ] && [ "$t_kind" != directory ] && [ "$t_links" -gt 1 ]; then
    t_no "$t_at has $t_links names, in a directory where every user can make one" || return 1
  fi
  t_open=''
  [ $((t_mode & 022)) -ne 0 ] || return 0
  if [ "$t_kind" = directory ] && [ $((t_mode & 01000)) -ne 0 ]; then
    t_open=$t_at
  elif [ $((t_mode & 02)) -ne 0 ]; then
    t_no "$t_at can be written by every user (it belongs to uid $t_uid)"
  elif [ "$t_gid" != 0 ]; then
    t_no "$t_at can be written by group $t_gid (it belongs to uid $t_uid)"
  else
    t_has_no_acl "$t_at"
  fi
}

# With a POSIX ACL the group bits are its mask: then others than the group may write.
t_has_no_acl() {
  # shellcheck disable=SC2086,SC2012  # $limit is a command and its words; the mode is all that is read of the line
  t_long=$($limit ls -ld -- "$1" 2>/dev/null)
  case ${t_long%% *} in
  ??????????+) t_no "$1 has an ACL by which others can write it" ;;
  ??????????) ls --version >/dev/null 2>&1 || t_no "$1 can be written by its group, and ls does not show ACLs here" ;;
  ??????????.) ;;
  *) t_no "$1: its mode cannot be read" ;;
  esac
}

trusted_path() { t_walk "$1" t_trust; }

# trusted_entry PATH: as trusted_path, but a regular file itself may belong to another user, such as a daemon's key in root's
# directory. That user can change its content, and cannot put a link, a FIFO or a device in its place.
trusted_entry() { t_walk "$1" t_trust_entry; }

t_trust_entry() {
  [ "$t_kind" = file ] && [ -z "$t_open" ] || t_trust
}

# same_file PID PATH: the process has the same file at that path, or none as we have none.
same_file() {
  t_their=/proc/$1/root
  [ -e "$t_their/" ] || [ "$t_me" != 0 ] || t_no "process $1 has ended" || return 1
  [ -e "$t_their/" ] || return 0
  [ "$2" -ef "$t_their$2" ] && return 0
  if [ ! -e "$2" ] && [ ! -e "$t_their$2" ]; then return 0; fi
  t_no "process $1 sees another file as $2"
}

# read_trusted PATH [BYTES]: prints a regular file that only root or the login can change, up to a size (8 MB).
read_trusted() {
  trusted_path "$1" || return 1
  [ "$missing" != yes ] || t_no "$1 does not exist" || return 1
  [ "$kind" = file ] || t_no "$1 is not a regular file" || return 1
  [ "$size" -le "${2:-8000000}" ] || t_no "$1 has $size bytes (limit ${2:-8000000})" || return 1
  cat <"$real"
}

# trusted_files FILE…: sets $good to the regular files that only root or the login can change, $folders to directories
# of this kind, and $bad to a sentence for each other; a line each. What does not exist is in none. One find(1) checks
# most of them, and one ls(1) at the links, such as those of sites-enabled.
trusted_files() {
  good='' bad='' folders='' t_folder='' t_plain='' t_special='' t_linked=''
  for t_path in "$@"; do
    case $t_path in
    *"$t_line"*) t_bad "$t_path has a newline in its name" ;;
    /*) t_sort_in "$t_path" ;;
    *) t_bad "$t_path is not an absolute path" ;;
    esac
  done
  t_found=''
  set -f
  IFS=$t_line
  # shellcheck disable=SC2086  # a name a line
  set -- $t_plain
  unset IFS
  # shellcheck disable=SC2086  # $limit is a command and its words
  [ $# -eq 0 ] || t_found=$($limit find "$@" -prune -type f \( -user 0 -o -user "$t_me" \) ! -perm -020 ! -perm -002 -size -16000 -print 2>/dev/null)$t_line
  if [ "$t_found" = "$t_plain" ]; then
    good=$t_plain
  else
    for t_path in "$@"; do
      case $t_line$t_found in
      *"$t_line$t_path$t_line"*) good=$good$t_path$t_line ;;
      *) t_special=$t_special$t_path$t_line ;;
      esac
    done
  fi
  t_look_at_links
  IFS=$t_line
  # shellcheck disable=SC2086  # a name a line
  set -- $t_special
  unset IFS
  set +f
  for t_path in "$@"; do t_look_closer "$t_path"; done
}

# Links of root in directories that root alone can change, to plain files in directories of this kind. All others are
# checked one by one.
t_look_at_links() {
  IFS=$t_line
  # shellcheck disable=SC2086  # a name a line
  set -- $t_linked
  unset IFS
  [ $# -gt 1 ] || {
    t_special=$t_special$t_linked
    return
  }
  # shellcheck disable=SC2086,SC2012  # $limit is a command and its words; the names are known
  t_listed=$($limit ls -ldnU -- "$@" 2>/dev/null) || t_listed=''
  t_plain='' t_folder='' t_wanted=''
  for t_path in "$@"; do
    t_fact=${t_listed%%"$t_line"*}
    t_listed=${t_listed#*"$t_line"}
    case $t_fact in
    l*" $t_path -> "?*)
      t_target=${t_fact#*" $t_path -> "}
      case $t_target in
      /*) ;;
      *) t_target=${t_path%/*}/$t_target ;;
      esac
      # shellcheck disable=SC2086  # fields
      set -- $t_fact
      if [ "$3" = 0 ] || [ "$3" = "$t_me" ]; then
        t_before=$t_plain
        t_closer=$t_special t_worse=$bad
        t_sort_in "$t_target"
        t_special=$t_closer bad=$t_worse
        if [ "$t_plain" != "$t_before" ]; then
          t_wanted=$t_wanted$t_path$t_line
          continue
        fi
      fi
      ;;
    esac
    t_special=$t_special$t_path$t_line
  done
  IFS=$t_line
  # shellcheck disable=SC2086  # a name a line
  set -- $t_plain
  unset IFS
  t_found=''
  # shellcheck disable=SC2086  # $limit is a command and its words
  [ $# -eq 0 ] || t_found=$($limit find "$@" -prune -type f \( -user 0 -o -user "$t_me" \) ! -perm -020 ! -perm -002 -size -16000 -print 2>/dev/null)$t_line
  if [ "$t_found" = "$t_plain" ]; then
    good=$good$t_wanted
  else
    t_special=$t_special$t_wanted
  fi
}

t_bad() {
  t_no "$1"
  bad=$bad$why$t_line
}

# Consecutive files in one directory need only one check of it.
t_sort_in() {
  t_up=${1%/*}
  if [ "$t_up" != "$t_folder" ] || [ -z "$t_up" ]; then
    t_folder=$t_up t_folder_why=''
    trusted_path "${t_up:-/}" || t_folder_why=$why
    t_folder_missing=$missing t_folder_open=$t_open
  fi
  if [ -n "$t_folder_why" ]; then
    t_bad "$1: $t_folder_why"
  elif [ -n "$t_folder_missing" ]; then
    :
  elif [ -d "$t_up/" ] && [ ! -x "$t_up/" ]; then
    t_bad "$1: uid $t_me cannot search $t_up"
  elif [ -f "$1" ] && [ ! -L "$1" ] && [ -z "$t_folder_open" ]; then
    t_plain=$t_plain$1$t_line
  elif [ -L "$1" ] && [ -z "$t_folder_open" ]; then
    t_linked=$t_linked$1$t_line
  elif [ -e "$1" ] || [ -L "$1" ]; then
    t_special=$t_special$1$t_line
  fi
}

t_look_closer() {
  if ! trusted_path "$1"; then
    t_bad "$1: $why"
  elif [ "$kind" = directory ]; then
    folders=$folders$1$t_line
  elif [ -n "$missing" ]; then
    :
  elif [ "$kind" != file ]; then
    t_bad "$1: it is not a regular file"
  elif [ "$size" -gt 8000000 ]; then
    t_bad "$1: it has $size bytes (limit 8000000)"
  else
    good=$good$1$t_line
  fi
}
