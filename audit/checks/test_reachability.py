"""Checks of whether a service answers, with TLS, and with the same certificate at every address."""

from __future__ import annotations

from audit.analysis.addresses import direction, leaves_by_address
from audit.analysis.path_faults import require_sound
from audit.analysis.reachability import (
    UNREACHABLE,
    cause_of,
    described,
    is_plaintext,
    missed,
    says_something,
    unreached,
)
from audit.checks import check
from audit.observation import Observation
from audit.policy import Policy
from audit.text import listing, sentence
from audit.verdict import inconclusive, not_applicable, require
from audit.x509.path.served_chain import Chain


@check(
    "svc.unreachable",
    severity="high",
    remedy="manual",
    source="RFC 9110 4.2.2; RFC 8314 3",
    scopes=("endpoint", "host"),
)
def test_reachable(observation: Observation) -> None:
    """Every address of the endpoint can be connected to, upgraded and shaken hands with; a host can be logged into.

    A name that does not resolve and a service without TLS are findings of their own. Where this machine has no address
    family or no login, or the server asks to come back later, it cannot be told.
    """
    if not observation.handshakes and cause_of(observation) != UNREACHABLE:
        raise unreached(observation)
    failures = missed(observation)
    faults = [described(failure) for failure in failures if says_something(failure)]
    answered = [handshake.address for handshake in observation.handshakes]
    note = [f"{listing(answered)} answered"] if answered else []
    kinds = [f"{failure.stage} {failure.kind}" for failure in failures if says_something(failure)]
    stages = sorted({failure.stage for failure in failures if says_something(failure)})
    require(not faults, sentence((*faults, *note)), observed=kinds, required="a TLS handshake at every address",
            facts={"stages": stages})  # fmt: skip
    unseen = [described(failure) for failure in failures]
    unseen += [f"a second certificate may be served: {described(one)}" for one in observation.other_key_failures]
    if observation.endpoint.is_host and observation.server:
        unseen += observation.server.missing_rights
    if unseen or not (answered or observation.endpoint.is_host):
        inconclusive(sentence(unseen) or "nothing was observed on the wire")


@check("svc.plaintext", severity="high", remedy="configure", source="RFC 9325 3.2; RFC 8314 3")
def test_speaks_tls(observation: Observation) -> None:
    """The service offers TLS: STARTTLS is among its capabilities, and a TLS port does not speak in plain text."""
    faults = [described(failure) for failure in observation.failures if is_plaintext(failure)]
    require(not faults, sentence(faults), observed=faults, required="TLS")
    if not observation.handshakes:
        raise unreached(observation)


@check("svc.multi-address", severity="medium", remedy="reload", source="RFC 9525 1.1; NIST SP 1800-16 Vol. B 5.2")
def test_same_certificate_at_every_address(observation: Observation, chains: tuple[Chain, ...], policy: Policy) -> None:
    """A client gets the same certificate at each address of the name; judged if every chain is sound by itself.

    Hosts that share the name and no key have one each: of the same issuer, for the same names, and in force.
    """
    if not observation.handshakes:
        raise unreached(observation)
    if len({*observation.addresses, *(one.address for one in observation.handshakes)}) < 2:
        not_applicable("it was observed at one address only")
    found = leaves_by_address(observation)
    if len(found) > 1 and observation.server and direction(observation, observation.server) == "elsewhere":
        inconclusive("the name leads to another host than the one logged into", because="dns.not-this-host")
    if len(found) > 1:
        require_sound(chains, observation.endpoint, policy)
    shown = [f"{listing(addresses)}: {leaf}" for leaf, addresses in found.items()]
    require(len(found) == 1, f"different certificates: {sentence(shown)}", observed=found, required="one certificate")
    if missed(observation):
        inconclusive(sentence([described(failure) for failure in missed(observation)]), because=UNREACHABLE)
