"""The step `preconditions`: the host has what a repair needs, and its clock agrees with ours.

It knows programs, rights and clocks; what an audit finds out was looked at when the case was planned.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from audit.words import duration
from remediate.site import CLOCK_TOLERANCE, Site
from remediate.steps.step import So, Stuck, done

_NEEDED: Final = r"""
[ "$(id -u)" = 0 ] || fail 77 "$(id -un) may not change certificates: log in as root, or with sudo"
for program in "$@"; do
  command -v "$program" >/dev/null || fail 69 "there is no $program on the host"
done
[ ! -e "$root" ] || [ -w "$root" ] || fail 77 "$root cannot be written"
date +%s
"""
_PROGRAMS: Final = ("openssl", "flock", "setsid", "sync")


class Preconditions:
    """Nothing is changed by it: what it finds missing is a person's to mend."""

    def look(self, site: Site, subject: str) -> So:
        """Return that all is there; raises Stuck."""
        del subject  # it is for the whole case
        require_known(site)
        command = site.premises.looking("look for what a repair needs", _NEEDED, *_PROGRAMS)
        require_same_time(site, site.case.host, _time(done(site, command).output))
        return So()

    def act(self, site: Site, subject: str) -> None:
        """Do nothing."""


def require_known(site: Site) -> None:
    """Raise Unknown where it is not known of a service which files it has, or how it takes them up."""
    for service in site.case.services:
        site.installer(service)
        site.file_set(service)


def require_same_time(site: Site, whose: str, theirs: datetime | None) -> None:
    """Raise Stuck where another's clock contradicts ours: nobody knows then what has expired."""
    ours = site.means.clock()
    if theirs is not None and abs(theirs - ours) > CLOCK_TOLERANCE:
        relation = "ahead of" if theirs > ours else "behind"
        why = f"the clock of {whose} is {duration(theirs - ours)} {relation} ours"
        raise Stuck("ops.clock-skew", why, ended="interrupted")


def _time(text: str) -> datetime:
    return datetime.fromtimestamp(int(text), UTC)
