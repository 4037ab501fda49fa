# shellcheck shell=sh
# Puts the challenge file of a CA into a docroot, or removes it. $1: put or clear, $2: the docroot, $3: name of the
# file, $4: its content, $5: the directories below the docroot, $6: the file in which root records the directories that
# were made, $7: the script that runs as the owner of the docroot. Everything in the docroot is done with the rights of
# its owner, so the kernel permits nothing that this user may not do.
# shellcheck disable=SC2154,SC2034 # variables are shared with the scripts before and after this one
action=$1 docroot=$2 file=$3 content=$4 below=$5 made=$root/$case/$6 work=$7
[ -d "$docroot" ] || fail 66 "the docroot $docroot cannot be entered"
[ ! "$docroot" -ef / ] || fail 77 "$docroot is not a docroot"
mode=$(stat -L -c %a -- "$docroot")
case $mode in *[2367]) fail 77 "others can write to $docroot (mode $mode)" ;; esac
recorded() { [ ! -f "$made" ] || cat "$made"; }
record_missing() {
  dir=
  for each in $below; do
    dir=${dir:+$dir/}$each
    [ -d "$docroot/$dir" ] || recorded | grep -qxF -- "$dir" || printf "%s\n" "$dir" | append_file "$made"
  done
}
# A directory that still exists, for example because others use it, stays on the list.
forget_removed() {
  [ -f "$made" ] || return 0
  left=$(recorded | while IFS= read -r dir; do [ ! -d "$docroot/$dir" ] || printf "%s\n" "$dir"; done)
  if [ -n "$left" ]; then printf "%s\n" "$left" | write_file 600 "$made"; else remove_file "$made"; fi
}
in_docroot() { as_owner "$docroot" "$work" "$action" "$docroot" "$file" "$content" "$below" "$(recorded | tr "\n" " ")"; }
case $action in
  put)
    record_missing
    in_docroot
    ;;
  clear)
    in_docroot
    forget_removed
    ;;
esac
