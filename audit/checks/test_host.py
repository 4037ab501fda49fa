"""Checks of how a host is kept: its clock, and on a panel's server what runs nightly, who is told, what is left off."""

from __future__ import annotations

from datetime import timedelta

from audit.analysis.cpanel import seen_upkeep, show_rights
from audit.analysis.reachability import UNREACHABLE
from audit.checks import check
from audit.observation import Observation
from audit.policy import Policy
from audit.text import duration, listing, sentence
from audit.verdict import inconclusive, require


@check("ops.clock-skew", severity="medium", remedy="host", source="NIST SP 800-53 AU-8", scopes=("host",))
def test_clock_is_right(observation: Observation, policy: Policy) -> None:
    """The host's clock and that of the audit agree: by a wrong one what is in force looks expired, or not yet valid."""
    if observation.server is None:
        inconclusive("the host was not logged into", because=UNREACHABLE)
    offset_s = observation.server.clock_offset_s
    if offset_s is None:
        inconclusive("the host's clock could not be read")
    limit_s, whose = policy.least(lambda limits: limits.clock_offset_max_s)
    size, admitted = duration(timedelta(seconds=offset_s)), duration(timedelta(seconds=limit_s))
    side = "ahead of" if offset_s > 0 else "behind"
    require(abs(offset_s) <= limit_s, f"the host's clock is {size} {side} that of the audit; {admitted} are admitted",
            observed=round(offset_s, 1), required=f"at most {limit_s} s", policy=whose)  # fmt: skip


@check("host.not-inspected", severity="low", remedy="host", source="CWE-829; CWE-426", scopes=("host",))
def test_every_service_is_inspected(observation: Observation) -> None:
    """Root inspects every process with the name of a service: it runs and reads only what other users cannot change.

    A process of another user, and those beyond the limit, are named; what they serve is audited from outside.
    """
    if observation.server is None:
        inconclusive("the host was not logged into", because=UNREACHABLE)
    if observation.server.not_trusted:
        inconclusive(sentence(observation.server.not_trusted))


@check(
    "ops.management-disabled",
    severity="info",
    remedy="none",
    source="cPanel & WHM, the checkallsslcerts script",
    scopes=("host",),
)
def test_management_is_on(observation: Observation) -> None:
    """Nobody has switched the replacement of certificates off on the host: where a touch file does, none is made."""
    upkeep = seen_upkeep(observation)
    found = upkeep.switched_off
    require(not found, f"certificates are not replaced on this host: {listing(found)} is there", observed=found)
    show_rights(upkeep, "switches")


@check(
    "ops.renewal-unscheduled",
    severity="high",
    remedy="configure",
    source="NIST SP 1800-16 Vol. B; cPanel & WHM, the checkallsslcerts script",
    scopes=("host",),
)
def test_renewal_is_scheduled(observation: Observation) -> None:
    """Something looks at the certificates every night: the panel's own update, or checkallsslcerts by cron or timer."""
    upkeep = seen_upkeep(observation)
    if not upkeep.schedules:
        show_rights(upkeep, "schedules")
    required = "a line of cron for upcp or checkallsslcerts, or a timer that is enabled"
    require(bool(upkeep.schedules), "neither cron nor a timer runs upcp or checkallsslcerts: what expires is not seen; "
            "`sslaudit install-timer` makes it nightly", observed="none", required=required)  # fmt: skip


@check(
    "ops.contact-missing",
    severity="low",
    remedy="configure",
    source="cPanel & WHM, the checkallsslcerts script",
    scopes=("host",),
)
def test_somebody_is_told(observation: Observation) -> None:
    """Somebody is told of what fails: the panel has a contact's address, or root's mail is forwarded to one."""
    upkeep = seen_upkeep(observation)
    if not upkeep.contacts:
        show_rights(upkeep, "contacts")
    where = "CONTACTEMAIL in /etc/wwwacct.conf", "an address in /root/.forward"
    require(bool(upkeep.contacts), f"nobody is told when something fails: there is neither {where[0]} nor "
            f"{where[1]}", observed="none", required=" or ".join(where))  # fmt: skip
