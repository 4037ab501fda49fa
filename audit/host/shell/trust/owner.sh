# shellcheck shell=sh disable=SC2034,SC2154  # variables are shared with the files of trust/ and the scripts that follow
# What runs with the rights of a directory's owner. It follows acts.sh.

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
