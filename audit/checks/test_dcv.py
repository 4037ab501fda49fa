"""Checks of whether a CA can validate names of a host by HTTP.

They are those of the certificates that a repair would order, and on a cPanel & WHM server the host's own name.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from audit.analysis.cpanel import (
    addresses_of,
    closed_to_listed,
    http_probes,
    http_validation,
    refused_internet,
    undecided_rule,
    unlisted_tokens,
    unreadable_firewall,
)
from audit.analysis.http_validation import (
    blocking_faults,
    closed_because,
    invalid_redirects,
    redirect_chains,
    unprobed,
    unprobed_names,
)
from audit.checks import check
from audit.checks.assertions import end_if, known
from audit.firewall.exposure import CPANEL_RULE, CURRENT_PRACTICE, LISTED, PORT, fix_hint, shortcomings
from audit.observation import Observation
from audit.policy.controls import HOST, NAMING
from audit.text import duration, join_clauses, join_limited
from audit.verdict import require

TOKEN_AGE_MAX: Final = timedelta(days=30)
"""How long a CA may use a token (Baseline Requirements 3.2.2.4.18)."""


@check(
    "dcv.http-unreachable",
    severity="high",
    remedy="configure",
    source="BR 3.2.2.4.18, 3.2.2.4.19",
    scopes=("host",),
    controls=NAMING | HOST,
)
def test_missing_token_is_answered_404(observation: Observation) -> None:
    """Every address of a name to validate must return 404 for an unknown token at port 80 (BR 3.2.2.4.18).

    The names are those of certificates that the configured issuer would have validated by HTTP, and the host's own name
    on a cPanel & WHM server. If the request fails here, a CA that fetches an existing token fails too.

    Fix: Remove the rule, redirect or access restriction that the message names. In Apache and nginx, serve
    `/.well-known/` from the document root without authentication. Remove an AAAA record whose address no web server
    listens on.
    """
    state, chains = known(http_validation(observation)), redirect_chains(known(http_probes(observation)))
    faults = blocking_faults(chains)
    end_if(closed_because(faults, state.firewall, addresses_of(observation)))
    require(not faults, join_clauses([fault.why for fault in faults]), observed=[fault.why for fault in faults],
            required="404 for a file that is not there", remedy=faults[0].remedy if faults else None)  # fmt: skip
    end_if(unprobed(chains) or unprobed_names(state.names, chains))


@check(
    "dcv.redirect-illegal",
    severity="medium",
    remedy="configure",
    source="BR 3.2.2.4.18",
    scopes=("host",),
    controls=NAMING,
)
def test_redirects_are_followed_by_cas(observation: Observation) -> None:
    """A request for a token may be redirected only by 301, 302, 307 or 308, to port 80 or 443 (BR 3.2.2.4.18).

    Fix: Change the redirect, or exclude `/.well-known/` from it: a `RewriteCond` before the `RewriteRule` in Apache, a
    `location` of its own in nginx.
    """
    known(http_validation(observation))
    faults = invalid_redirects(redirect_chains(known(http_probes(observation))))
    require(not faults, join_clauses(faults), observed=faults, required="no redirect, or one that a CA follows")


@check(
    "dcv.stale-token", severity="info", remedy="host", source="BR 3.2.2.4.18", scopes=("host",), controls=NAMING | HOST
)
def test_no_old_tokens_are_left(observation: Observation, now: datetime) -> None:
    """The folder of the tokens should hold no token that is too old for any CA to use (BR 3.2.2.4.18).

    The folders are those from which the names to validate are served.

    Fix: Delete the files that the message names. Each of them reveals an order to everybody who can read the website.
    """
    state = known(http_validation(observation))
    stale = [token for token in state.tokens if now - token.modified > TOKEN_AGE_MAX]
    shown = join_limited([f"{token.path} ({duration(now - token.modified)} old)" for token in stale])
    require(not stale, f"no CA may use a token that is older than {TOKEN_AGE_MAX.days} days; remove {shown}",
            observed=[token.path for token in stale], required="none")  # fmt: skip
    end_if(unlisted_tokens(state))


@check(
    "dcv.firewall",
    severity="high",
    remedy="host",
    source="cPanel & WHM, the checkallsslcerts script; BR 3.2.2.4.18",
    scopes=("host",),
    controls=NAMING | HOST,
)
def test_firewall_admits_the_listed_addresses(observation: Observation) -> None:
    """The firewall must accept connections to port 80 from the four addresses of cPanel's script (BR 3.2.2.4.18).

    Fix: Accept TCP port 80 from everywhere: `TCP_IN` in csf, `firewall-cmd --add-service=http` in firewalld, otherwise
    a rule before the one that the message names.
    """
    state, own = known(http_validation(observation)), addresses_of(observation)
    closed = shortcomings(state.firewall, own)
    require(not closed, join_clauses((*closed, fix_hint(state.firewall.kept_by), CPANEL_RULE, CURRENT_PRACTICE)),
            observed=closed, required=f"{join_limited(LISTED)} can connect to TCP port {PORT}")  # fmt: skip
    end_if(unreadable_firewall(state) or undecided_rule(state.firewall, own))


@check(
    "dcv.firewall-narrow", severity="high", remedy="host", source="BR 3.2.2.9", scopes=("host",), controls=NAMING | HOST
)
def test_firewall_admits_the_world(observation: Observation) -> None:
    """The firewall must accept connections to port 80 from nine tenths of the Internet (BR 3.2.2.9).

    IPv4 is judged, and IPv6 if a name to validate has an IPv6 address.

    Fix: Accept TCP port 80 from everywhere, and remove country blocks for it: `CC_DENY` and `CC_ALLOW_FILTER` in csf.
    CAs validate from addresses that they do not publish.
    """
    state, own = known(http_validation(observation)), addresses_of(observation)
    end_if(closed_to_listed(state.firewall, own))
    faults, doubt = refused_internet(state.firewall, observation)
    require(not faults, join_clauses((*faults, fix_hint(state.firewall.kept_by), CURRENT_PRACTICE, CPANEL_RULE)),
            observed=faults, required=f"TCP port {PORT} is open to all")  # fmt: skip
    end_if(unreadable_firewall(state) or doubt)
