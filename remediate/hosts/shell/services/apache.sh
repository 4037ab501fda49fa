# shellcheck shell=sh
# Apache httpd: tested with its own options and Debian's variables; at SIGUSR1 requests finish (graceful).
# With a key that is not the certificate's its own test says `Syntax OK`, and the server ends at a reload.
# shellcheck disable=SC2154,SC2034 # variables are shared with the scripts before and after this one
check_config() {
  for pid in $first; do
    judge_words "$pid" -f -d
    f=$(option -f) d=$(option -d)
    with_variables "$bin" ${d:+-d "$d"} ${f:+-f "$f"} -t || return 1
  done
}
with_variables() (
  APACHE_CONFDIR=${d:-/etc/apache2} # an instance of Debian has variables of its own, which depend on it
  # shellcheck disable=SC1090 # the distribution's file
  ! trusted_path "$APACHE_CONFDIR/envvars" || [ ! -r "$real" ] || . "$real"
  run_env=$(env | grep "^APACHE_[A-Z_]*=")
  run_trusted "$@"
)
reload() { signal USR1; }
