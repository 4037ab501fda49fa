# shellcheck shell=sh disable=SC2154
# Functions for the scripts of the services, which read $bin (the program), $pid (0 if it does not run) and $words (its
# command line, a word a line, if it can be trusted).

# option WORD: prints the value of an option of the process.
option() { use_words | sed -n "/^$1\$/{n;p;};s/^$1=\{0,1\}\(.\)/\1/p" | head -n 1; }

# for_process FILE: the process has the same file there. If it is in our own mount namespace, it has.
for_process() {
  [ "$pid" = 0 ] || [ "/proc/$pid/ns/mnt" -ef /proc/self/ns/mnt ] || same_file "$pid" "$1"
}

# walk BASE PICK FILE: sets $readable to FILE and all that it includes, and $untrusted to a sentence for each file that another user
# could change and for what is left out; a line each. PICK is a script of sed that prints what a file includes.
walk() {
  base=$1 pick=$2 queue=$3 seen=$t_line files_count=0 readable='' untrusted=''
  while [ -n "$queue" ]; do
    expand
    # shellcheck disable=SC2086  # a name a line
    if [ -n "$files" ]; then
      set -f
      IFS=$t_line
      set -- $files
      unset IFS
      set +f
    else
      set --
    fi
    queue=''
    [ $# -gt 0 ] || break
    trusted_files "$@"
    untrusted=$untrusted$bad
    set --
    set -f
    IFS=$t_line
    for f in $good; do
      unset IFS
      if ! for_process "$f"; then
        untrusted=$untrusted$why$t_line
      elif [ ! -r "$f" ]; then
        untrusted=$untrusted$f$t_line
      else
        set -- "$@" "$f"
        readable=$readable$f$t_line
      fi
    done
    unset IFS
    set +f
    [ $# -eq 0 ] || queue=$($limit sed -n "$pick" "$@")
    IFS=$t_line
    set -f
    for f in $folders; do queue="$queue$t_line$f/*"; done
    unset IFS
    set +f
  done
}

# Sets $files to the new files that the patterns in $queue match, a line each; names those that are left out.
expand() {
  files='' patterns=''
  set -f
  IFS=$t_line
  for f in $queue; do
    case $f in
    /*) patterns=$patterns$f$t_line ;;
    ?*) patterns=$patterns$base/$f$t_line ;;
    esac
  done
  set +f
  for f in $patterns; do
    case $f in
    *"$t_line"*)
      t_no "$f has a newline in its name"
      untrusted=$untrusted$why$t_line
      continue
      ;;
    esac
    case $seen in
    *"$t_line$f$t_line"*) continue ;;
    esac
    files_count=$((files_count + 1))
    if [ "$files_count" -gt 2000 ]; then
      untrusted="${untrusted}the rest: there are more than 2000 configuration files$t_line"
      break
    fi
    seen=$seen$f$t_line files=$files$f$t_line
  done
  unset IFS
}

# in_files SCRIPT: prints what a script of sed prints of the files of walk.
in_files() {
  script=$1
  set -f
  IFS=$t_line
  # shellcheck disable=SC2086  # a name a line
  set -- $readable
  unset IFS
  set +f
  [ $# -eq 0 ] || $limit sed -n "$script" "$@"
}

# Prints the files of walk, each under a line with its name, and a line for each file that was not read.
print_files() {
  set -f
  IFS=$t_line
  # shellcheck disable=SC2086  # a name a line
  set -- $readable
  unset IFS
  set +f
  [ $# -eq 0 ] || $limit awk 'FNR == 1 { printf "%s# configuration file %s:\n", NR == 1 ? "" : "\n", FILENAME } { print }' "$@"
  printf %s "$untrusted" | sed 's/^/# cannot read /'
}

follow() {
  walk "$@"
  print_files
}
