"""Checks of whether a CA would get to see, on a panel's server, the proof that the host's name is its own."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from audit.analysis.addresses import own_addresses
from audit.analysis.cpanel import blame_firewall, knocked_at, seen_upkeep, show_rights
from audit.analysis.http_validation import barred, elsewhere, misled, ways
from audit.checks import check
from audit.firewall.exposure import LISTED, PORT, SEED_SAYS, TODAY_SAYS, mending, narrowness, openness, shortcomings
from audit.observation import Observation
from audit.text import duration, listing, sentence
from audit.verdict import inconclusive, require

TOKEN_AGE_MAX: Final = timedelta(days=30)
"""How long a CA may use a proof (Baseline Requirements 3.2.2.4.18): what is older serves nobody."""


@check(
    "dcv.http-unreachable",
    severity="high",
    remedy="configure",
    source="BR 3.2.2.4.18, 3.2.2.4.19",
    scopes=("host",),
)
def test_door_is_open(observation: Observation) -> None:
    """At every address of the host's name a request over port 80 for a proof that is not there is answered so.

    Neither nothing nor a denial nor an error: that is what a CA would get too that comes for a proof that is there.
    """
    upkeep, found = seen_upkeep(observation), ways(knocked_at(observation))
    faults = [fault for way in found if way[-1].can_tell and (fault := barred(way))]
    if faults and all(fault.is_silent for fault in faults):
        blame_firewall(upkeep.firewall, _own(observation))
    require(not faults, sentence([fault.why for fault in faults]), observed=[fault.why for fault in faults],
            required="404 for a file that is not there", remedy=faults[0].remedy if faults else None)  # fmt: skip
    unseen = [f"{way[-1].address} cannot be asked from here: {way[-1].detail}" for way in found if not way[-1].can_tell]
    unseen += [f"{way[0].address} sends on to {led!r}, where nobody looked" for way in found if (led := elsewhere(way))]
    if unseen:
        inconclusive(sentence(unseen))


@check("dcv.redirect-illegal", severity="medium", remedy="configure", source="BR 3.2.2.4.18", scopes=("host",))
def test_door_leads_nowhere_else(observation: Observation) -> None:
    """Where a request for a proof is redirected, it is as a CA follows: by 301, 302, 307 or 308, to port 80 or 443."""
    seen_upkeep(observation)
    faults = [fault.why for way in ways(knocked_at(observation)) if (fault := misled(way))]
    require(not faults, sentence(faults), observed=faults, required="no redirect, or one that a CA follows")


@check("dcv.stale-token", severity="info", remedy="host", source="BR 3.2.2.4.18", scopes=("host",))
def test_no_old_proofs_are_left(observation: Observation, now: datetime) -> None:
    """In the folder of proofs lies none that no CA may use any more: each tells strangers of an order."""
    upkeep = seen_upkeep(observation)
    stale = [token for token in upkeep.tokens if now - token.modified > TOKEN_AGE_MAX]
    shown = [f"{token.path} ({duration(now - token.modified)} old)" for token in stale]
    require(not stale, f"no CA may use what is older than {TOKEN_AGE_MAX.days} days, and it can be removed: "
            f"{listing(shown)}", observed=[token.path for token in stale], required="none")  # fmt: skip
    show_rights(upkeep, "tokens")


@check(
    "dcv.firewall",
    severity="high",
    remedy="host",
    source="cPanel & WHM, the checkallsslcerts script; BR 3.2.2.4.18",
    scopes=("host",),
)
def test_firewall_admits_the_listed_addresses(observation: Observation) -> None:
    """The host's firewall admits the four addresses that the panel's script names to port 80, all of them."""
    upkeep, own = seen_upkeep(observation), _own(observation)
    closed = shortcomings(upkeep.firewall, own)
    require(not closed, sentence((*closed, mending(upkeep.firewall.kept_by), SEED_SAYS, TODAY_SAYS)), observed=closed,
            required=f"{listing(LISTED)} admitted to TCP port {PORT}")  # fmt: skip
    show_rights(upkeep, "firewall")
    for address, rule in openness(upkeep.firewall, LISTED, own).unknown.items():
        inconclusive(f"whether {address} is admitted to TCP port {PORT} cannot be told: {rule}")


@check(
    "dcv.firewall-narrow",
    severity="high",
    remedy="host",
    source="BR 3.2.2.9",
    scopes=("host",),
)
def test_firewall_admits_the_world(observation: Observation) -> None:
    """The firewall admits not only listed addresses or countries to port 80: a CA looks from several, unlisted places.

    Judged for IPv4, and for IPv6 where the host's name has such an address: nine tenths of the Internet are admitted.
    """
    upkeep, own = seen_upkeep(observation), _own(observation)
    if len(openness(upkeep.firewall, LISTED, own).refused) == len(LISTED):
        inconclusive("it is closed to the listed addresses too", because="dcv.firewall")
    has_ipv6 = observation.dns is not None and any(":" in address for address in observation.dns.addresses)
    faults, doubt = narrowness(upkeep.firewall, own, (4, 6) if has_ipv6 else (4,))
    require(not faults, sentence((*faults, mending(upkeep.firewall.kept_by), TODAY_SAYS, SEED_SAYS)), observed=faults,
            required=f"TCP port {PORT} is open to all")  # fmt: skip
    show_rights(upkeep, "firewall")
    if doubt:
        inconclusive(f"whether all the world is admitted to TCP port {PORT} cannot be told: {doubt}")


def _own(observation: Observation) -> tuple[str, ...]:
    """Return the addresses that connections to the host may be sent to."""
    return own_addresses(observation.server) if observation.server else ()
