"""Checks of the maintenance of a host: its clock, and the nightly runs, contacts and switches of cPanel & WHM."""

from __future__ import annotations

from audit.analysis.cpanel import cpanel_state, unreadable_part
from audit.analysis.host_facts import clock_limit_s, clock_offset_s, described_offset, host_view
from audit.checks import check
from audit.checks.assertions import end_if, known
from audit.observation import Observation
from audit.policy import Policy
from audit.policy.controls import HOST, LIFECYCLE
from audit.text import join_clauses, join_limited
from audit.verdict import inconclusive, require


@check(
    "ops.clock-skew", severity="medium", remedy="host", source="NIST SP 800-53 AU-8", scopes=("host",), controls=HOST
)
def test_clock_is_right(observation: Observation, policy: Policy) -> None:
    """The host's clock must agree with that of the audit (NIST SP 800-53 AU-8).

    Fix: Set up a time service on the host: chrony, ntpd or systemd-timesyncd. With a wrong clock, valid certificates
    look expired or not yet valid.
    """
    offset_s, (limit_s, whose) = known(clock_offset_s(observation)), clock_limit_s(policy)
    require(abs(offset_s) <= limit_s, described_offset(offset_s, limit_s),
            observed=round(offset_s, 1), required=f"at most {limit_s} s", policy=whose)  # fmt: skip


@check("host.not-inspected", severity="low", remedy="host", source="CWE-829; CWE-426", scopes=("host",), controls=HOST)
def test_every_service_is_inspected(observation: Observation) -> None:
    """Every process of a service should be inspected by root (CWE-829; CWE-426).

    Processes of other users, and those beyond the limit, are inconclusive. So is a whole host that is not a Linux host.

    Fix: Run the service from files that only root can change. Nothing else is wrong: a program that another user can
    replace is not run as root, and its services are audited from outside.
    """
    server = known(host_view(observation))
    if server.not_inspected:
        inconclusive(f"{server.not_inspected}: the host is audited from outside, at the well-known ports on which it "
                     "listens, at declared services ([[service]]) and named endpoints (--audit-endpoint)")  # fmt: skip
    if server.not_trusted:
        inconclusive(join_clauses(server.not_trusted))


@check(
    "ops.management-disabled",
    severity="info",
    remedy="none",
    source="cPanel & WHM, the checkallsslcerts script",
    scopes=("host",),
    controls=LIFECYCLE,
)
def test_management_is_on(observation: Observation) -> None:
    """No touch file should disable the replacement of certificates (cPanel & WHM).

    Fix: Remove the touch file if certificates of this host are to be replaced. If it is there on purpose, waive this
    finding.
    """
    state = known(cpanel_state(observation))
    files = state.switched_off
    require(
        not files, f"certificates are not replaced on this host, because {join_limited(files)} exists", observed=files
    )
    end_if(unreadable_part(state, "switches"))


@check(
    "ops.renewal-unscheduled",
    severity="high",
    remedy="configure",
    source="NIST SP 1800-16 Vol. B; cPanel & WHM, the checkallsslcerts script",
    scopes=("host",),
    controls=LIFECYCLE,
)
def test_renewal_is_scheduled(observation: Observation) -> None:
    """A nightly run must replace expiring certificates (NIST SP 1800-16 Vol. B).

    Fix: Run `sslaudit install-timer`, or restore the line for upcp in root's crontab.
    """
    state = known(cpanel_state(observation))
    end_if(None if state.schedules else unreadable_part(state, "schedules"))
    require(bool(state.schedules), "neither cron nor a timer runs upcp or checkallsslcerts, so expiring certificates "
            "are not replaced; `sslaudit install-timer` runs it nightly", observed="none",
            required="a line of cron for upcp or checkallsslcerts, or a timer that is enabled")  # fmt: skip


@check(
    "ops.contact-missing",
    severity="low",
    remedy="configure",
    source="cPanel & WHM, the checkallsslcerts script",
    scopes=("host",),
    controls=LIFECYCLE,
)
def test_failures_are_reported(observation: Observation) -> None:
    """A contact address must be set (cPanel & WHM).

    Fix: Set a contact in WHM (Basic WebHost Manager Setup), or forward root's mail with `/root/.forward`.
    """
    state = known(cpanel_state(observation))
    end_if(None if state.contacts else unreadable_part(state, "contacts"))
    where = "CONTACTEMAIL in /etc/wwwacct.conf", "an address in /root/.forward"
    require(bool(state.contacts), f"failures are reported to no address: there is neither {' nor '.join(where)}",
            observed="none", required=" or ".join(where))  # fmt: skip
