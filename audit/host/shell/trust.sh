# shellcheck shell=sh
# What root may trust on a host, and the only verbs by which our scripts act there. POSIX sh (dash, busybox ash).
#
# Root follows a path only if root or the login alone can change each component. Then no other party can replace a
# component between the check and the use. Otherwise the work runs with the rights of the directory's owner, or it is
# refused. Names that begin with t_ are private.
#
# shellcheck disable=SC2034  # real, kind, size, words and the like are for the scripts that follow

why='' real='' missing='' kind='' size='' id='' bin='' words='' unit='' owner_uid='' owner_gid=''
t_line='
'
t_tab=$(printf '\t')
t_me=$(id -u)
t_owner_mode=''    # yes: we run with the rights of a directory's owner, and the kernel checks them
t_mounts=/proc/self/mountinfo
t_foreign=unread   # devices of file systems that other users mounted
t_programs=$t_line   # programs that are trusted: only root can change that
t_asked=''         # units that systemctl was asked about
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

# Prints why a verb does nothing.
t_refuse() {
  t_no "$1"
  printf '%s\n' "$why" >&2
  return 77
}

# --- Paths ---

# t_walk PATH JUDGE: follows each component and each symbolic link of PATH from / by itself, and lets JUDGE see it. Sets
# $real, $missing, $kind (directory, file, other), $size and $id (device:inode). One stat(1) for each symbolic link, and one.
t_walk() {
  why='' real='' missing='' kind=directory size=0 id='' t_judge=$2 t_rest=$1 t_hops=0 t_open=''
  case $1 in
  /*) ;;
  *) t_no "$1 is not an absolute path" || return 1 ;;
  esac
  [ "$t_foreign" != unread ] || t_find_foreign
  set -- /
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
    [ $? -le 1 ] || t_no "$t_last: stat does not answer" || return 1
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
  real=${t_at%/} kind=$t_kind size=$t_size id=$t_id
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
    t_no "stat does not answer"
  elif [ ! -x "${real:-/}" ]; then
    t_no "${real:-/} cannot be searched by uid $t_me"
  else
    case /$t_rest/ in
    */../*) t_no "$t_at does not exist" ;;
    *) missing=yes kind='' size=0 id='' real=$t_last${t_rest:+/$t_rest} ;;
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

# trusted_files FILE…: sets $good to the regular files that only root or the login can change, $folders to such directories, and
# $bad to a sentence for each other; a line each. What does not exist is in none. One find(1) looks at most of them, and one ls(1)
# at the links, such as those of sites-enabled.
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

# Links of root in directories that root alone can change, to plain files in such directories. All others are looked at closer.
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

# The directory of files that follow one another is looked at once.
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

# --- Processes ---

# Sets $t_user (real:saved uid, or the effective one of another user), $t_parent and $t_comm of a process.
t_read_status() {
  t_user='' t_parent='' t_comm=''
  while IFS=" $t_tab" read -r t_word t_first t_second t_third t_more; do
    case $t_word in
    Name:) t_comm=$t_first ;;
    PPid:) t_parent=$t_first ;;
    Uid:)
      t_user=$t_first
      [ "$t_third" = "$t_first" ] || t_user=$t_second
      [ "$t_user" != 0 ] || [ "$t_first" = 0 ] || t_user=$t_first
      break
      ;;
    esac
  done <"/proc/$1/status"
} 2>/dev/null

# A process can set its real and saved uid to 0 only if root gave it both: a program with the setuid bit has the user's
# own real uid. The effective uid may be another for a time (proftpd).
t_is_ours() {
  case $t_user in
  0 | "$t_me") return 0 ;;
  esac
  return 1
}

# Sets $unit, $t_exec (the program of its ExecStart) and $t_argv if the process is the main one of a system unit.
t_is_main() {
  unit='' t_exec='' t_argv=''
  [ -d /run/systemd/system ] || return 1
  t_group=''
  while IFS= read -r t_word; do
    case $t_word in
    *user@*) return 1 ;;
    0::*.service | *:name=systemd:*.service) t_group=${t_word##*/} ;;
    esac
  done 2>/dev/null <"/proc/$1/cgroup"
  [ -n "$t_group" ] || return 1
  case $t_asked in
  *" $t_group="*)
    t_found=${t_asked##*" $t_group="}
    [ "${t_found%%;*}" = "$1" ] || return 1
    ;;
  esac
  # shellcheck disable=SC2086  # $limit is a command and its words
  t_shown=$($limit systemctl show -p MainPID,FragmentPath,ExecStart -- "$t_group" </dev/null 2>/dev/null)
  t_found=${t_shown#*MainPID=} t_found=${t_found%%"$t_line"*}
  t_asked="$t_asked $t_group=$t_found;"
  [ "$t_found" = "$1" ] || return 1
  t_found=${t_shown#*FragmentPath=}
  trusted_path "${t_found%%"$t_line"*}" || return 1
  unit=$t_group
  case $t_shown in
  *"ExecStart={"*"ExecStart={"*) ;;
  *"ExecStart={ path="*"argv[]="*)
    t_exec=${t_shown#*ExecStart=\{ path=} t_exec=${t_exec%% ;*}
    t_argv=${t_shown#*argv\[\]=} t_argv=${t_argv%% ; ignore_errors=*}
    ;;
  esac
}

# t_program PID: sets $bin to the program that the process runs, if it is the host's own and only root can change it.
t_program() {
  # shellcheck disable=SC2086  # $limit is a command and its words
  bin=$($limit readlink -n -- "/proc/$1/exe" 2>/dev/null && printf x)
  bin=${bin%x}
  if [ -z "$bin" ] && [ "$t_me" != 0 ]; then
    bin=$(command -v "$t_comm") && trusted_path "$bin"
    return
  fi
  case $bin in
  /*' (deleted)')
    bin=${bin%' (deleted)'}
    [ "/proc/$1/root/" -ef / ] || t_no "process $1 runs a deleted program in another root directory" || return 1
    trusted_path "$bin" || return 1
    ;;
  /*)
    trusted_path "$bin" || return 1
    [ "$bin" -ef "/proc/$1/exe" ] || t_no "process $1 runs a file that is not the host's own $bin" || return 1
    same_file "$1" "$bin" || return 1
    ;;
  *) t_no "the link to its program cannot be read" || return 1 ;;
  esac
  [ "$kind" = file ] && [ -x "$bin" ] || t_no "$bin is not a program" || return 1
  t_programs=$t_programs$bin$t_line
}

# trusted_process PID: root started it, or a system unit, or a trusted process with the same program. Sets $bin, $words (a
# word a line) and $unit. The words of another user's process are the unit's own: a user can rewrite those of its processes.
trusted_process() {
  why='' bin='' words='' unit=''
  t_read_status "$1"
  [ -n "$t_user" ] || t_no "process $1 has ended" || return 1
  t_owner=$t_user t_its_comm=$t_comm t_its_parent=$t_parent
  t_is_main "$1"
  t_its_unit=$unit
  if ! t_is_ours && [ -z "$unit" ]; then
    t_no "process $1 named $t_its_comm belongs to uid $t_owner"
    t_reason=$why
    t_read_status "$t_its_parent"
    { t_is_ours || t_is_main "$t_its_parent"; } && [ "/proc/$t_its_parent/exe" -ef "/proc/$1/exe" ] || t_no "$t_reason" || return 1
  fi
  t_comm=$t_its_comm unit=$t_its_unit
  t_program "$1" || t_no "process $1 named $t_its_comm: $why" || return 1
  t_words "$1"
  t_read_status "$1"
  [ "$t_user" = "$t_owner" ] || t_no "process $1 has ended" || return 1
  why=''
}

t_words() {
  words=''
  case $t_argv in
  '' | *\$* | *\\* | *\"* | *\'*) ;;
  *) if [ "$t_exec" -ef "$bin" ]; then words=$(printf %s "$t_argv" | tr ' ' '\n'); fi ;;
  esac
  if [ -z "$words" ]; then
    case $t_owner in
    0 | "$t_me") words=$(tr '\000' '\n' <"/proc/$1/cmdline" | tr ' ' '\n' | head -c 65536) ;;
    esac
  fi
} 2>/dev/null

# Prints the words that trusted_process set: none if they cannot be trusted.
use_words() { printf '%s\n' "$words"; }

# runs_program PID PROGRAM: the process runs this program of the host, which only root can change, whoever started it.
runs_program() {
  trusted_path "$2" || return 1
  [ "$real" -ef "/proc/$1/exe" ] || t_no "process $1 does not run $2"
}

# trusted_words PID OPTION…: what the options and any word with a slash name is a trusted path, and the same for the process.
trusted_words() {
  why='' t_pid=$1 t_all=$words t_before=''
  shift
  while [ -n "$t_all" ]; do
    t_now=${t_all%%"$t_line"*}
    case $t_all in
    *"$t_line"*) t_all=${t_all#*"$t_line"} ;;
    *) t_all='' ;;
    esac
    t_file=''
    case $t_now in
    /*) t_file=$t_now ;;
    -*/*) t_file=/${t_now#*/} ;;
    */*) [ "${t_now##*/}" = "${bin##*/}" ] || t_no "process $t_pid names $t_now, which depends on its directory" || return 1 ;;
    esac
    for t_word in "$@"; do
      case $t_file,$t_before,$t_now in
      ",$t_word,"?*) t_no "process $t_pid names $t_now, which depends on its directory" || return 1 ;;
      esac
      case $t_now in
      "$t_word"/*) ;;
      "$t_word"?*) [ "${t_now#--}" != "$t_now" ] || t_no "process $t_pid names $t_now, which depends on its directory" || return 1 ;;
      esac
    done
    t_before=$t_now
    if [ -z "$t_file" ] || [ "$t_file" = "$bin" ]; then continue; fi
    t_file=${t_file%[\;,]}
    trusted_path "$t_file" && same_file "$t_pid" "$t_file" || return 1
  done
}

# run_trusted BIN ARG…: runs a program that only root can change, for a limited time, without input, in a clean environment.
# $run_env may hold more of its environment, NAME=VALUE a line. $run_in may hold the process, found to be trusted, with
# whose mounts the program runs.
run_trusted() {
  case $t_programs in
  *"$t_line$1$t_line"*) ;;
  *)
    trusted_path "$1" || {
      printf '%s is not run: %s\n' "$1" "$why" >&2
      return 77
    }
    [ "$missing" != yes ] || return 127
    t_programs=$t_programs$1$t_line
    ;;
  esac
  t_env=${run_env-}
  set -- LC_ALL=C "PATH=$PATH" HOME=/root "$@"
  while [ -n "$t_env" ]; do
    set -- "${t_env%%"$t_line"*}" "$@"
    case $t_env in
    *"$t_line"*) t_env=${t_env#*"$t_line"} ;;
    *) t_env='' ;;
    esac
  done
  # shellcheck disable=SC2086,SC2046  # commands and their words
  $limit $(t_enter "${run_in-}") env -i "$@" </dev/null
}

# t_enter PID: the words that run a command with the mounts of a process, if it has others than we have.
t_enter() {
  [ -n "$1" ] && [ "$(readlink "/proc/$1/ns/mnt")" != "$(readlink /proc/self/ns/mnt)" ] || return 0
  ! command -v nsenter >/dev/null || printf 'nsenter --mount=/proc/%s/ns/mnt\n' "$1"
}

# set_limit SECONDS: how long each command may take from now on.
set_limit() {
  limit_s=$1
  case $limit in
  'timeout -k'*) limit="timeout -k 2 $1" ;;
  timeout*) limit="timeout $1" ;;
  esac
}

# start_trusted BIN ARG…: starts a daemon that outlives us, in a session of its own, without input, output and our lock.
start_trusted() {
  trusted_path "$1" || {
    printf '%s is not started: %s\n' "$1" "$why" >&2
    return 77
  }
  [ "$missing" != yes ] || return 127
  setsid env -i LC_ALL=C "PATH=$PATH" HOME=/root "$@" </dev/null >/dev/null 2>&1 9>&- &
}

# --- Acting ---

t_octal() {
  case $1 in
  [0-7][0-7][0-7] | 0[0-7][0-7][0-7]) ;;
  *) t_refuse "$1 is not a valid mode" ;;
  esac
}

# t_place new|old PATH: sets $t_at to PATH with its directory resolved, if root alone can change what is in that directory.
t_place() {
  t_base=${2##*/} t_up=${2%/*}
  case $t_base in
  '' | . | ..) t_refuse "$2 does not name a file" || return 77 ;;
  esac
  case $2 in
  /*) ;;
  *) t_refuse "$2 is not an absolute path" || return 77 ;;
  esac
  if [ -n "$t_owner_mode" ]; then
    t_at=$2 t_device=''
    [ -d "$t_up/" ] || t_refuse "$2: its directory does not exist" || return 77
    return 0
  fi
  t_want=$2 t_how=$1
  trusted_path "${t_up:-/}" || t_refuse "$t_want is left as it is: $why" || return 77
  [ "$kind,$missing" = directory, ] || t_refuse "$t_want: its directory does not exist" || return 77
  t_folder=${real%/} t_device=${id%%:*} t_sticky=$t_open
  if [ -n "$t_sticky" ]; then
    [ "$t_how" = old ] || t_refuse "$t_want is left as it is: every user can make a name in $t_sticky" || return 77
    if [ ! -L "$t_folder/$t_base" ]; then
      trusted_path "$t_folder/$t_base" || t_refuse "$t_want is left as it is: $why" || return 77
    fi
  fi
  t_at=$t_folder/$t_base
}

t_not_link() {
  [ ! -L "$1" ] || t_refuse "$1 is left as it is: it is a symbolic link"
}

# Prints a name beside PATH that nobody can guess: with noclobber no link can be there before us.
t_beside() { mktemp -u "${1%/*}/.${t_name_of_temp:-sslaudit}.XXXXXXXXXX"; }

# Renames over what is no directory. With -T a link to a directory is replaced and not entered.
t_rename() {
  mv -fT -- "$1" "$2" 2>/dev/null && return 0
  [ ! -d "$2" ] || t_refuse "$2 is a directory" || return 77
  mv -f -- "$1" "$2"
}

# t_create MODE TEMP: makes a new file, sets its mode, then writes standard input to it.
t_create() (
  set -C
  if [ -n "$t_owner_mode" ]; then
    # no chmod by name: others may write in the directory too
    umask "$(printf %o $((0777 & ~0$1)))"
    exec 3>"$2" || exit 77
  else
    umask 077
    exec 3>"$2" || exit 77
    chmod "$1" "$2" || exit 1
  fi
  cat >&3
)

make_directory() {
  t_octal "$1" && t_place new "$2" && t_not_link "$t_at" || return 77
  if [ -d "$t_at" ]; then
    [ -n "$t_owner_mode" ] || trusted_path "$t_at" || t_refuse "$2 is left as it is: $why" || return 77
    return 0
  fi
  (umask "$(printf %o $((0777 & ~0$1)))" && mkdir -- "$t_at")
}

write_file() {
  t_octal "$1" && t_place new "$2" || return 77
  t_not_link "$t_at" || return 77
  [ ! -d "$t_at" ] || t_refuse "$2 is a directory" || return 77
  t_temp=$(t_beside "$t_at") || return 1
  if t_create "$1" "$t_temp" && t_rename "$t_temp" "$t_at"; then return 0; fi
  rm -f -- "$t_temp"
  return 1
}

append_file() {
  t_place new "$1" && t_not_link "$t_at" || return 77
  if [ -e "$t_at" ]; then
    [ -f "$t_at" ] || t_refuse "$1 is not a regular file" || return 77
    [ -n "$t_owner_mode" ] || trusted_path "$t_at" || t_refuse "$1 is left as it is: $why" || return 77
    cat >>"$t_at"
  else
    (umask 077 && set -C && cat >"$t_at")
  fi
}

# output_to PATH COMMAND ARG…: what the command prints goes to a new file of root's, and its status is returned. A file and
# no pipe: what the command leaves running would hold a pipe open.
output_to() {
  write_file 600 "$1" </dev/null || return
  t_output=$t_at
  shift
  "$@" >>"$t_output" 2>&1
}

# rewrite_file PATH: standard input replaces the content of a regular file in place (one that cannot be renamed over).
rewrite_file() {
  t_place old "$1" && t_not_link "$t_at" || return 77
  [ -f "$t_at" ] || t_refuse "$1 is not a regular file" || return 77
  cat >"$t_at"
}

# t_source FILE: sets $t_from to a regular file of a size that is copied.
t_source() {
  t_place old "$1" && t_not_link "$t_at" || return 77
  t_from=$t_at
  [ -f "$t_from" ] || t_refuse "$1 is not a regular file" || return 77
  t_bytes=$(stat -c %s -- "$t_from") && [ "$t_bytes" -le "$t_most" ] || t_refuse "$1 has $t_bytes bytes (limit $t_most)"
}

# Owner, mode, ACL, SELinux label and all other extended attributes; fails if the tool or the file system cannot.
t_attributes() {
  cp --attributes-only --preserve=all,xattr -- "$1" "$2" || t_refuse "the attributes of $1 cannot be copied to $2"
}

copy_file() {
  t_place new "$2" || return 77
  t_to=$t_at
  if [ -e "$t_to" ] || [ -L "$t_to" ]; then t_refuse "$2 exists" || return 77; fi
  t_source "$1" || return 77
  t_temp=$(t_beside "$t_to") || return 1
  if t_create 0600 "$t_temp" <"$t_from" && t_attributes "$t_from" "$t_temp" && t_rename "$t_temp" "$t_to"; then return 0; fi
  rm -f -- "$t_temp"
  return 77
}

copy_attributes() {
  t_place old "$2" && t_not_link "$t_at" || return 77
  t_to=$t_at
  [ -f "$t_to" ] || t_refuse "$2 is not a regular file" || return 77
  t_source "$1" && t_attributes "$t_from" "$t_to"
}

# t_renamable FROM TO: sets $t_from and $t_at to a file and the name that it can be renamed to.
t_renamable() {
  t_place old "$1" || return 77
  t_from=$t_at t_its_device=$t_device
  t_place new "$2" || return 77
  [ "$t_its_device" = "$t_device" ] || t_refuse "$2 is on another file system than $1" || return 77
  [ -e "$t_from" ] || [ -L "$t_from" ] || t_refuse "$1 does not exist" || return 77
  if [ -d "$t_at" ] && [ ! -L "$t_at" ]; then t_refuse "$2 is a directory" || return 77; fi
}

rename_file() { t_renamable "$1" "$2" && t_rename "$t_from" "$t_at"; }

point_link() {
  t_place new "$1" || return 77
  if [ -e "$t_at" ] && [ ! -L "$t_at" ]; then t_refuse "$1 is not a symbolic link" || return 77; fi
  t_temp=$(t_beside "$t_at") || return 1
  if ln -s -- "$2" "$t_temp" && t_rename "$t_temp" "$t_at"; then return 0; fi
  rm -f -- "$t_temp"
  return 1
}

change_mode() {
  t_octal "$1" && t_place old "$2" && t_not_link "$t_at" || return 77
  chmod -- "$1" "$t_at"
}

change_owner() {
  t_place old "$2" && t_not_link "$t_at" || return 77
  chown -h -- "$1" "$t_at"
}

remove_file() {
  t_place old "$1" || return 77
  rm -f -- "$t_at"
}

# Overwrites a file that has one name, then removes it.
destroy_file() {
  t_place old "$1" || return 77
  if [ -f "$t_at" ] && [ ! -L "$t_at" ] && [ "$(stat -c %h -- "$t_at")" = 1 ]; then
    shred -n 1 -- "$t_at" 2>/dev/null || :
  fi
  rm -f -- "$t_at"
}

remove_directory() {
  t_place old "$1" && t_not_link "$t_at" || return 77
  rmdir -- "$t_at"
}

# Only a tree whose top is root's own: rm of busybox looks at a name and then enters it.
remove_tree() {
  t_place old "$1" && t_not_link "$t_at" || return 77
  [ -n "$t_owner_mode" ] || trusted_path "$t_at" || t_refuse "$1 is left as it is: $why" || return 77
  rm -rf -- "$t_at"
}

# --- Several files together, and trees ---

# rename_files FROM TO [FROM TO]…: all pairs are checked first and then renamed directly after each other.
rename_files() {
  t_pairs=$(($# / 2))
  while [ "$t_pairs" -gt 0 ]; do
    t_pairs=$((t_pairs - 1))
    t_renamable "$1" "$2" || return 77
    set -- "$@" "$t_from" "$t_at"
    shift 2
  done
  while [ $# -gt 0 ]; do
    t_alike "$@"
    if [ "$t_group" -gt 1 ]; then t_rename_group "$t_group" "$@" || return 1
    else t_group=1 && t_rename "$1" "$2" || return 1
    fi
    shift $((2 * t_group))
  done
}

# t_alike FROM TO…: sets $t_group to how many of the first pairs keep their name and go from one directory to one other.
t_alike() {
  t_group=0 t_up=${1%/*} t_into=${2%/*}
  while [ $# -gt 1 ] && [ "$1" = "$t_up/${2##*/}" ] && [ "${2%/*}" = "$t_into" ]; do
    t_group=$((t_group + 1))
    shift 2
  done
}

# t_rename_group COUNT FROM TO…: one program renames the first pairs, so that only microseconds pass between two of them.
t_rename_group() {
  t_pairs=$1
  shift
  t_others=$(($# - 2 * t_pairs))
  while [ "$t_pairs" -gt 0 ]; do
    t_pairs=$((t_pairs - 1))
    set -- "$@" "$1"
    shift 2
  done
  shift "$t_others"
  mv -f -- "$@" "$t_into/"
}

# new_file_like LIKE PATH MODE: a new file with the attributes of another but for the mode; its content is standard input,
# which is written when no other user can read more than is to be readable.
new_file_like() {
  t_octal "$3" && t_place new "$2" || return 77
  t_to=$t_at
  if [ -e "$t_to" ] || [ -L "$t_to" ]; then t_refuse "$2 exists" || return 77; fi
  [ -f "$1" ] || t_refuse "$1 is not a regular file" || return 77
  t_temp=$(t_beside "$t_to") || return 1
  if t_create 0600 "$t_temp" </dev/null && t_attributes "$1" "$t_temp" && t_has_group_of "$1" "$t_temp" &&
    chmod -- "$3" "$t_temp" && cat >>"$t_temp" && t_rename "$t_temp" "$t_to"; then return 0; fi
  rm -f -- "$t_temp"
  return 77
}

# cp says nothing if a user cannot give a file to a group.
t_has_group_of() {
  [ "$(stat -L -c %g -- "$1")" = "$(stat -c %g -- "$2")" ] || t_refuse "the group of $1 cannot be given to another file by uid $t_me"
}

# open_lock PATH: opens a file as descriptor 9, for flock(1).
open_lock() {
  t_place new "$1" && t_not_link "$t_at" || return 77
  [ ! -e "$t_at" ] || trusted_path "$t_at" || t_refuse "$1 is left as it is: $why" || return 77
  exec 9>>"$t_at"
}

# capture PATH COMMAND…: runs a command whose output goes to a file; what it starts may keep that open, and not our lock.
capture() {
  t_place new "$1" && t_not_link "$t_at" || return 77
  shift
  "$@" </dev/null >"$t_at" 2>&1 9>&-
}

# claim_tree DIRECTORY: every directory from this one down becomes the login's own, from the top: once a directory is, no
# other user changes what is in it.
claim_tree() {
  t_place old "$1" && t_not_link "$t_at" || return 77
  find "$t_at" -xdev -type d -exec chown -h "$t_me" {} \; -exec chmod 700 {} \;
}

# destroy_tree DIRECTORY: overwrites each file that has one name, then removes the tree.
destroy_tree() {
  t_place old "$1" && t_not_link "$t_at" || return 77
  trusted_path "$t_at" || t_refuse "$1 is left as it is: $why" || return 77
  t_tree=$t_at
  claim_tree "$1" && find "$t_tree" -xdev -type f -links 1 -exec shred -n 1 {} + 2>/dev/null || :
  rm -rf -- "$t_tree"
}

# owner_reads PATH [BYTES]: prints a regular file with the rights of the owner of its directory.
owner_reads() {
  owner_of "${1%/*}" || t_refuse "$1 is not read: $why" || return 77
  t_run_uid=$owner_uid t_run_gid=$owner_gid t_by_group=''
  [ "$t_run_uid" != "$t_me" ] || t_refuse "$1 is not read: it is in a directory that others can write" || return 77
  [ "$t_me" = 0 ] || t_refuse "$1 is not read: only root can act for uid $owner_uid" || return 77
  t_find_user
  # shellcheck disable=SC2016 # it is the owner's shell that expands them
  t_as -c '[ -f "$1" ] && head -c "$2" "$1"' sh "$1" "${2:-8000000}" </dev/null 2>/dev/null 3>&- 9>&- | cat
}

# --- With the rights of a directory's owner ---

# The judge of owner_of: but for root and the login one user alone may own components.
t_own() {
  [ -z "$t_public" ] || t_no "$t_at is in $t_public, which every user can write" || return 1
  case $t_uid in
  0 | "$t_me") ;;
  "$owner_uid") ;;
  *)
    [ "$owner_uid" = 0 ] || [ "$owner_uid" = "$t_me" ] || t_no "$t_at belongs to uid $t_uid, and a directory above it to uid $owner_uid" || return 1
    owner_uid=$t_uid
    ;;
  esac
  [ "$t_kind" != directory ] || {
    owner_gid=$t_gid t_dir_mode=$t_mode t_dir_uid=$t_uid
    [ $((t_mode & 01002)) -ne 2 ] || t_public=$t_at
  }
  return 0
}

# owner_of PATH: sets $owner_uid and $owner_gid of the nearest existing directory. If a user owns any component, that user is
# the owner: it decides where the path leads.
owner_of() {
  owner_uid=$t_me owner_gid='' t_public='' t_dir_mode=0 t_dir_uid=0
  t_walk "$1" t_own
}

# t_as: the words that run a command as $t_run_uid and $t_run_gid come from the host's tools.
t_as() {
  # shellcheck disable=SC2086  # $limit is a command and its words
  if setpriv --reuid "$t_run_uid" --regid "$t_run_gid" --clear-groups --inh-caps=-all true 2>/dev/null; then
    $limit setpriv --reuid "$t_run_uid" --regid "$t_run_gid" --clear-groups --inh-caps=-all \
      env -i "PATH=$PATH" LC_ALL=C HOME=/ sh "$@"
  elif [ "$t_run_user" = UNKNOWN ] || [ -n "$t_by_group" ]; then
    t_refuse "this host has no setpriv, by which uid $t_run_uid could do it"
  elif command -v runuser >/dev/null; then
    $limit runuser -u "$t_run_user" -- env -i "PATH=$PATH" LC_ALL=C HOME=/ sh "$@"
  elif command -v su >/dev/null; then
    $limit su -s /bin/sh "$t_run_user" "$@"
  else
    t_refuse "this host has no setpriv, runuser or su, by which uid $t_run_uid could do it"
  fi
}

# as_owner DIR SCRIPT ARG…: runs SCRIPT, with these functions, with the rights of the owner of DIR. What it prints comes through
# a pipe of its own: its user can read and write all that it has open.
as_owner() {
  t_dir=$1 t_script=$2
  shift 2
  if trusted_path "$t_dir" && [ -z "$t_open" ]; then
    sh -c "${trust_sh-}$t_line$t_script" sh "$@"
    return
  fi
  owner_of "$t_dir" || t_refuse "$t_dir is left as it is: $why" || return 77
  t_run_uid=$owner_uid t_run_gid=$owner_gid t_by_group=''
  t_script="${trust_sh-}${t_line}t_owner_mode=yes$t_line$t_script"
  if [ "$t_run_uid" = "$t_me" ] && [ "$t_me" != 0 ]; then
    sh -c "$t_script" sh "$@"
    return
  fi
  [ "$t_me" = 0 ] || t_refuse "$t_dir belongs to uid $owner_uid: only root can act for that user" || return 77
  if [ "$t_run_uid" = 0 ]; then
    # root's directory that a group or every user can write: we do what the group, or any user, could do
    t_by_group=yes t_run_uid=65534
    [ $((t_dir_mode & 020)) -ne 0 ] && [ "$t_run_gid" != 0 ] || t_run_gid=65534
  else
    t_find_user
  fi
  # the owner's processes could print without end
  t_said=$({
    t_status=0
    t_as -c "$t_script" sh "$@" 2>&1 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&- || t_status=$?
    printf '\n%s' "$t_status"
  } | head -c 8000000)
  t_status=$(printf %s "$t_said" | tail -n 1)
  t_said=$(printf %s "$t_said" | sed '$d')
  case $t_status in
  0) [ -z "$t_said" ] || printf '%s\n' "$t_said" ;;
  '' | *[!0-9]* | ????*)
    t_no "the processes of uid $t_run_uid printed too much" || :
    printf '%s\n' "$why" >&2
    return 1
    ;;
  *)
    printf '%s\n' "$t_said" >&2
    return "$t_status"
    ;;
  esac
}

# The owner's own group, not that of the directory: root may have given it a group that its owner is not in.
t_find_user() {
  t_run_user=UNKNOWN
  while IFS=: read -r t_word t_first t_second t_third t_more; do
    if [ "$t_second" = "$t_run_uid" ]; then
      t_run_user=$t_word t_run_gid=$t_third
      return
    fi
  done </etc/passwd
  t_found=$(getent passwd "$t_run_uid" 2>/dev/null) || t_found=''
  t_run_gid=65534
  case $t_found in
  ?*:*:*:*) t_run_user=${t_found%%:*} t_found=${t_found#*:*:*:} t_run_gid=${t_found%%:*} ;;
  esac
}
