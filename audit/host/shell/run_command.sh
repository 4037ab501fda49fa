# shellcheck shell=sh
# Runs one command of a repair in a subshell, and frames its output and its errors.
# The output and its frames go through the filter. After a key without an end, the filter prints nothing, so the
# frame is missing. Descriptor 3 is not the command's: a daemon that it starts would hold the output open.
run_command() (
  set +u
  unset nonce only prefix
@ARGUMENTS@
@SCRIPT@
)
{
  frame "begin output"
  error=$(run_command 2>&1 >&3 3>&-)
  status=$?
  frame "end $status"
  frame "begin error"
  printf "%s\n" "$error"
  frame "end 0"
} 3>&1 | without_keys | head -c @BYTES@
