"""Observations with faults of many kinds, for tests that compare two ways to judge them."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

from audit.endpoint import parse_endpoint
from audit.observation import Accident, DnsView, Observation, ProbeFailure
from audit.observation.cpanel import CpanelState
from tests.support.endpoint_facts import (
    GOOD,
    HOST,
    INTERMEDIATE,
    certificate_file,
    host,
    key_file,
    observed,
    served,
)
from tests.support.evidence import unreachable
from tests.support.x509.certificates import DAY, NOW, Draft, key_named, leaf, rsa_key
from tests.support.x509.evidence_fuzzing import observation_of
from tests.support.x509.mutated_evidence import attempt

KEY = key_named("of two hosts")
EXPIRED = GOOD.ending(NOW - DAY)
PLAINTEXT = ProbeFailure("starttls", "plaintext", "no STARTTLS")
SELF_SIGNED = leaf("self.example")


def seen(name: str, *drafts: Draft, address: str = "192.0.2.7", **values: Any) -> Observation:  # noqa: ANN401 - fields
    """Return what is seen of an endpoint that serves these drafts at one address."""
    observation = observed(served(*drafts, address=address), endpoint=parse_endpoint(f"https://{name}"))
    return replace(observation, **{"dns": DnsView("ok", (address,)), **values})


def recorded() -> list[Observation]:
    """Return observations in which checks pass, fail, do not apply, are inconclusive and raise errors."""
    shared = [leaf(name).with_key(KEY).by(INTERMEDIATE) for name in ("one.example", "two.example")]
    bug = Accident("ZeroDivisionError: a bug of ours", "Traceback: a bug of ours")
    panel = replace(host(), cpanel=CpanelState("110.0"))
    two = (served(GOOD, INTERMEDIATE, address="192.0.2.1"), served(EXPIRED, address="192.0.2.2"))
    return [
        seen("www.example.com", server=host(certificate_file(), key_file())),
        seen("expired.example", EXPIRED, INTERMEDIATE),
        seen("self.example", SELF_SIGNED),
        seen("incomplete.example", GOOD),
        seen("weak.example", GOOD.with_key(rsa_key(1024))),
        replace(observed(*two), endpoint=parse_endpoint("https://chains.example")),
        seen("keys.example", other_key_handshakes=(served(EXPIRED.with_key(rsa_key(2048)), INTERMEDIATE),)),
        seen("one.example", shared[0], INTERMEDIATE, address="192.0.2.1"),
        seen("two.example", shared[1], INTERMEDIATE, address="192.0.2.2"),
        unreachable(parse_endpoint("https://closed.example")),
        Observation(parse_endpoint("imap://plain.example"), NOW, failures=(PLAINTEXT,)),
        Observation(parse_endpoint("https://broken.example"), NOW, accident=bug),
        Observation(parse_endpoint("https://unread.example"), NOW, accident=Accident("evidence x: damaged")),
        seen("half.example", accident=bug),
        replace(observed(server=panel, endpoint=HOST), dns=DnsView("nxdomain")),
    ]


def hostile(count: int) -> list[Observation]:
    """Return so many observations in which one certificate or response is a mutant."""
    chance = random.Random(7)  # noqa: S311 - the same ones each time
    found = [observation_of(attempt(chance).evidence) for _ in range(count)]
    return [replace(one, endpoint=parse_endpoint(f"https://m{index}.example")) for index, one in enumerate(found)]
