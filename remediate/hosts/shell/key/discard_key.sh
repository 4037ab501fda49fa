# shellcheck shell=sh
# Destroys the pending key and its CSR.
# shellcheck disable=SC2154,SC2034 # variables are shared with the scripts before and after this one
pending=$root/$case/pending
if [ -e "$pending" ]; then
  remove_tree "$pending.gone"
  rename_file "$pending" "$pending.gone"
fi
for file in "$pending.gone"/key.*; do
  [ ! -e "$file" ] || destroy_file "$file"
done
remove_tree "$pending.gone"
