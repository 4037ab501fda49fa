"""Tests of shared keys: by several hosts or subscribers, and by endpoints of one host or subscriber."""

from __future__ import annotations

from dataclasses import replace

import pytest

from audit.analysis.key_reuse import Sharing, key_uses, reuse_faults, sharing_of
from audit.checks.test_key import test_key_is_of_one_service as is_of_one_service
from audit.endpoint import parse_endpoint
from audit.observation import Handshake, HostView, InstalledFile, Observation
from audit.policy import Policy, load_profile
from audit.policy.thresholds import Thresholds
from tests.support.endpoint_facts import INTERMEDIATE, WEBPKI, certificate, observed, served
from tests.support.verdicts import finding, passes
from tests.support.x509.certificates import NOW, Draft, key_named, leaf

KEY = key_named("the shared key")
LIMITS = load_profile("webpki").thresholds


def draft(*names: str) -> Draft:
    """Return a certificate of the shared key for these names."""
    return leaf(names[0]).named(*names).with_key(KEY).by(INTERMEDIATE)


def seen(url: str, *addresses: str, host: str = "", of: Draft | None = None) -> Observation:
    """Return the observation of an endpoint at these addresses, on a host with a login if one is given."""
    endpoint = parse_endpoint(url)
    shown = tuple(served(of or draft(endpoint.name), INTERMEDIATE, address=address) for address in addresses)
    server = HostView(host, f"ssh://{host}", addresses=addresses) if host else None
    found_on = replace(endpoint, host=host or None, hostspec=f"ssh://{host}" if host else None)
    return Observation(found_on, NOW, addresses, shown, server=server)


def sharing(*observations: Observation) -> Sharing:
    """Return how far the shared key is shared."""
    digest = certificate(draft("www.example.com")).spki_sha256
    return sharing_of(use for observation in observations for use in key_uses(observation) if use.spki_sha256 == digest)


def balanced(host: str, url: str) -> Observation:
    """Return the observation of an endpoint that is reached by the address of a load balancer."""
    view = HostView(host, f"ssh://{host}", addresses=("10.0.0.1",))
    shown = served(draft("*.example.com"), INTERMEDIATE, address="203.0.113.1")
    return Observation(parse_endpoint(url), NOW, ("203.0.113.1",), (shown,), server=view)


WWW = "https://www.example.com"
TWO_NAMES, TWO_DOMAINS = draft("www.example.com", "mail.example.com"), draft("www.example.com", "www.example.net")
DIGEST = certificate(draft("www.example.com")).spki_sha256
COPY = HostView("backup", "ssh://backup", addresses=("192.0.2.9",),
                files=(InstalledFile("/root/old.key", "key", spki_sha256=DIGEST),))  # fmt: skip
BACKUP = Observation(parse_endpoint("https://backup.example.org"), NOW, ("192.0.2.9",), server=COPY)
BROKEN = Handshake("192.0.2.1", "TLSv1.3", "x", None, None, (b"\x30\x03junk",), None, 0.1)


@pytest.mark.parametrize(
    ("observations", "hosts", "subscribers"),
    [
        ((seen(WWW, "192.0.2.1", of=TWO_NAMES), seen("imaps://mail.example.com", "192.0.2.1", of=TWO_NAMES),
          seen("smtp://mx.example.com", "192.0.2.9", "192.0.2.1", of=TWO_NAMES)), 1, ("example.com",)),
        (tuple(seen(WWW, f"192.0.2.{n}", host=f"web{n}") for n in range(1, 9)), 1, ("example.com",)),
        ((balanced("web1", WWW), balanced("web2", "https://api.example.com")), 2, ("example.com",)),
        ((seen(WWW, "192.0.2.1", host="web1"), seen("https://shop.example.com", "192.0.2.1")), 1, ("example.com",)),
        ((seen("https://a.example.com", "192.0.2.1"), seen("https://b.example.net", "192.0.2.1"),
          seen("https://www.example.net", "192.0.2.1", of=TWO_DOMAINS)), 1, ("example.com",)),
        ((seen(WWW, "192.0.2.1", host="web1"), BACKUP), 2, ("example.com",)),  # a file alone has no subscriber
        ((observed(BROKEN), observed()), 0, ()),
    ],
    ids=["services of one host", "hosts of one name", "behind a load balancer", "from outside and inside",
         "certificate for both domains", "copy of the key", "unreadable and unreachable"],
)  # fmt: skip
def test_hosts_and_subscribers_of_a_shared_key_are_counted(
    observations: tuple[Observation, ...], hosts: int, subscribers: tuple[str, ...]
) -> None:
    found = sharing(*observations)
    assert (len(found.hosts), found.subscribers) == (hosts, subscribers)
    assert found.is_shared is (hosts > 1)
    assert passes(is_of_one_service, key_sharing=found, policy=WEBPKI) is (hosts <= 1)


def test_hosts_of_different_names_may_not_share_a_key() -> None:
    wildcard = draft("*.example.com")
    found = sharing(
        seen("https://www.example.com", "192.0.2.1", host="web1", of=wildcard),
        seen("imaps://mail.example.com", "192.0.2.2", host="mail", of=wildcard),
    )
    reason = finding(is_of_one_service, key_sharing=found, policy=WEBPKI).reason
    assert reason.startswith("the key is on 2 hosts of different names (")
    assert "imaps://mail.example.com:993" in reason
    assert found.subscribers == ("example.com",)


def test_certificates_without_a_common_domain_have_two_subscribers() -> None:
    found = sharing(seen("https://a.example.com", "192.0.2.1"), seen("https://b.example.net", "192.0.2.1"))
    assert found == Sharing(("https://a.example.com:443",), ("example.com", "example.net"))
    reason = finding(is_of_one_service, key_sharing=found, policy=WEBPKI).reason
    assert "certificates of 2 subscribers (example.com, example.net)" in reason


def test_renewed_certificate_with_the_old_key_has_the_same_subscriber() -> None:
    renewed = draft("www.example.com").starting(NOW)
    handshakes: tuple[Handshake, ...] = (
        served(draft("www.example.com"), INTERMEDIATE, address="192.0.2.1"),
        served(renewed, INTERMEDIATE, address="192.0.2.2"),
    )
    both = Observation(parse_endpoint("https://www.example.com"), NOW, ("192.0.2.1", "192.0.2.2"), handshakes)
    assert len(key_uses(both)) == 1
    assert not sharing(both).is_shared


def test_limits_of_sharing_come_from_the_policy() -> None:
    found = Sharing(("a", "b", "c"), ("example.com", "example.net"))
    assert len(reuse_faults(found, LIMITS)) == 2
    assert reuse_faults(found, Thresholds(key_hosts_max=3)) == ()
    assert len(reuse_faults(found, Thresholds(key_hosts_max=2))) == 1
    assert passes(is_of_one_service, key_sharing=Sharing(), policy=Policy((load_profile("private-pki"),)))
