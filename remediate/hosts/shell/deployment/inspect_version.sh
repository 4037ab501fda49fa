# shellcheck shell=sh
# shellcheck disable=SC2154,SC2034,SC2329 # variables and functions are shared with the scripts before and after this one
# Prints `changed` and the number, from 0, of each path that another party has changed; then the leaf of version $2 of
# the files in directory $1, if it is kept. Runs after common/workdir.sh and the functions of a deployment.
folder=$root/$case/$1 name=$2 number=0
cd "$folder" 2>/dev/null || :
shift 2
print_changed() {
  is_unchanged "$1" "$2" || echo "changed $number"
  number=$((number + 1))
}
for_each print_changed $(($# / 2)) "$@"
while [ $# -gt 0 ]; do
  case $2 in *l*)
    [ ! -e "$folder/$name$1" ] ||
      sed -n "/^-----BEGIN CERTIFICATE-----/,/^-----END CERTIFICATE-----/{p;/^-----END/q;}" "$folder/$name$1"
    exit
    ;;
  esac
  shift 2
done
