"""Each condition of the cPanel script is one finding on a cPanel host, with its remedy."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, replace
from datetime import timedelta
from hashlib import sha256
from typing import Any

import pytest

from audit.endpoint import Endpoint
from audit.observation import DnsView, Handshake, HostView, HttpProbe, Observation, RevocationResponse
from audit.observation.cpanel import CpanelState
from tests.integration.audit.x509.conftest import Forge, forge
from tests.support.endpoint_facts import INTERMEDIATE, ROOT, served
from tests.support.evidence import NOW, keep, rows
from tests.support.x509.certificates import DAY, Draft, ca, leaf, rsa_key
from tests.support.x509.crls import crl
from tests.support.x509.ocsp_responses import ASKED, CA, CRL_URL
from tests.support.x509.ocsp_responses import ROOT as ASKED_ROOT

__all__ = ["forge"]
PANEL = HostView(
    "panel", "ssh://root@panel", "panel.example.com", ("192.0.2.7",), clock_offset_s=0.1, is_cpanel=True
)  # fmt: skip
WELL_KEPT = CpanelState("11.130.0.5", contacts=("admin@example.com",), schedules=("/var/spool/cron/root: upcp",))
OWN_CA = ca("CN=cPanel\\, LLC ECC Certification Authority,O=cPanel\\, LLC", ROOT)
RSA_ROOT = ca("CN=RSA Root").with_key(rsa_key(2048))
REPAIRS = {"reissue", "rekey"}
THIRD, OWN = leaf().by(INTERMEDIATE), leaf().by(OWN_CA)


def chained(draft: Draft) -> tuple[bytes, ...]:
    """Return a draft as it is served, with the issuer between it and the root."""
    return (draft.der,) if draft.issuer in (None, ROOT, RSA_ROOT) else (draft.der, draft.issuer.der)


@dataclass(frozen=True, slots=True)
class Condition:
    """A service at a port, and the expected findings that a new certificate fixes."""

    chain: tuple[bytes, ...]
    findings: frozenset[tuple[str, str]] = frozenset()
    revoked: bool = False
    snakeoil: bool = False


def of(chain: tuple[bytes, ...] | Draft, *checks: str, **more: bool) -> Condition:
    ders = chained(chain) if isinstance(chain, Draft) else chain
    return Condition(ders, frozenset((check, "reissue") for check in checks), **more)


def ending(draft: Draft, days: float) -> Draft:
    return draft.ending(NOW + timedelta(days=days))


CONDITIONS = {
    "self-signed": of(leaf(), "cert.self-signed"),
    "no-san": of(THIRD.named(), "cert.san-missing"),
    "no-eku": of(THIRD.used_for(), "cert.eku-missing-serverauth"),
    "invalid-name": of(leaf("other.example.com").by(INTERMEDIATE), "cert.name-mismatch"),
    "revoked": of((ASKED.der, CA.der), "cert.revoked", revoked=True),
    "missing": of(leaf(), "svc.certificate-missing", snakeoil=True),
    "expired": of(ending(THIRD, -1), "cert.expired"),
    "third-party-2": of(ending(THIRD, 2), "cert.expiring"),
    "third-party-just-under-3": of(ending(THIRD, 2.99), "cert.expiring"),
    "third-party-3": of(ending(THIRD, 3)),
    "third-party-4": of(ending(THIRD, 4)),
    "own-24": of(ending(OWN, 24), "cert.expiring"),
    "own-25": of(ending(OWN, 25)),
    "own-26": of(ending(OWN, 26)),
    "third-party-24": of(ending(THIRD, 24)),
    "third-party-short-lived-4": of(ending(THIRD.starting(NOW - 2 * DAY), 4)),
    "third-party-of-years": of(ending(THIRD.starting(NOW - 800 * DAY), 400)),
}


def observed(name: str, condition: Condition) -> Observation:
    """Return what is seen of a service of the panel, each at a host of its own so that they share no key."""
    label = name.replace(".", "-")
    endpoint = Endpoint("https", "www.example.com", 2083, host=label, hostspec=f"ssh://root@{label}", service="cpanel")
    shaken: Handshake = replace(served(), chain_der=condition.chain)
    server = replace(PANEL, label=label, hostspec=f"ssh://root@{label}", snakeoil=condition.snakeoil, service="cpanel")
    told = (
        RevocationResponse(sha256(ASKED.der).hexdigest(), "crl", CRL_URL, NOW, content=crl(CA, ASKED))
        if condition.revoked
        else None
    )
    return Observation(
        endpoint, NOW, ("192.0.2.7",), (shaken,), dns=DnsView("ok", ("192.0.2.7",)), server=server,
        revocation=(told,) if told else (),
    )  # fmt: skip


def host(**changes: Any) -> Observation:  # noqa: ANN401 - fields of any type
    """Return what is seen of a panel's server as a whole that is well, but for these."""
    probe = HttpProbe("http://panel.example.com/x.txt", "192.0.2.7", 404)
    seen = Observation(
        Endpoint.of_host("panel", "ssh://root@panel"), NOW, server=replace(PANEL, cpanel=WELL_KEPT),
        dns=DnsView("ok", ("192.0.2.7",)), http_probes=(probe,),
    )  # fmt: skip
    return replace(seen, **changes)


def judged(pytester: pytest.Pytester, observations: list[Observation], *more: str) -> list[dict[str, Any]]:
    """Return the results of an audit that has seen this."""
    keep(pytester.path / "kept", observations)
    roots = "".join(map(ssl.DER_cert_to_PEM_cert, (ROOT.der, RSA_ROOT.der, ASKED_ROOT.der)))
    (pytester.path / "roots.pem").write_text(roots)
    given = ("--audit-from-evidence=kept", "--audit-trust=roots.pem", "--audit-results=results.jsonl", *more)
    pytester.runpytest("--pyargs", "audit", *given)
    return rows(pytester.path / "results.jsonl")


def test_each_condition_of_the_cpanel_script_is_one_reissue_finding(
    pytester: pytest.Pytester, forge: Forge
) -> None:  # fmt: skip
    weak = of((forge(leaf().by(RSA_ROOT), "sha1"),), "cert.weak-signature")
    conditions = {**CONDITIONS, "weak-signature": weak}
    results = judged(pytester, [observed(name, one) for name, one in conditions.items()])
    assert {row["policy"] for row in results} == {"cpanel"}
    found: dict[str, set[tuple[str, str]]] = {name: set() for name in conditions}
    for row in results:
        if row["verdict"] == "fail" and row["severity"] != "info" and row["remedy"] in REPAIRS:
            found[row["endpoint"].partition("/")[0]].add((row["check"], row["remedy"]))
    assert ("cert.weak-signature", "reissue") in found.pop("weak-signature")  # what is forged so lacks more
    assert found == {name: set(one.findings) for name, one in CONDITIONS.items()}


def test_findings_beyond_the_cpanel_script_are_info(pytester: pytest.Pytester) -> None:
    results = judged(
        pytester, [observed("third-party-of-years", CONDITIONS["third-party-of-years"])], "--audit-policy=cpanel"
    )
    told = {row["check"]: row["severity"] for row in results if row["verdict"] == "fail"}
    assert told["cert.validity-too-long"] == "info"
    assert set(told.values()) == {"info"}


def kept(**changes: Any) -> dict[str, Any]:  # noqa: ANN401 - fields of any type
    """Return a panel's server that is well kept but for these."""
    return {"server": replace(PANEL, cpanel=replace(WELL_KEPT, **changes))}


HOSTS: dict[tuple[str, str], dict[str, Any]] = {
    ("host.name-invalid", "host"): {"server": replace(PANEL, cpanel=WELL_KEPT, fqdn="localhost")},
    ("dns.unresolvable", "dns"): {"dns": DnsView("nxdomain"), "http_probes": ()},
    ("dns.not-this-host", "dns"): {
        "dns": DnsView("ok", ("8.8.8.8",)), "server": replace(PANEL, cpanel=WELL_KEPT, addresses=("9.9.9.9",)),
    },
    ("dcv.http-unreachable", "configure"): {
        "http_probes": (HttpProbe("http://panel.example.com/x.txt", "192.0.2.7", 403),),
    },
    ("ops.management-disabled", "none"): kept(switched_off=("/var/cpanel/ssl/x",)),
    ("ops.contact-missing", "configure"): kept(contacts=()),
    ("ops.renewal-unscheduled", "configure"): kept(schedules=()),
    ("ops.clock-skew", "host"): {"server": replace(PANEL, cpanel=WELL_KEPT, clock_offset_s=999.0)},
}  # fmt: skip


def test_each_host_fault_is_one_finding_and_a_healthy_host_passes(
    pytester: pytest.Pytester,
) -> None:
    seen = {check.replace(".", "-"): host(**changes) for (check, _), changes in HOSTS.items()} | {"well": host()}
    labelled = [replace(one, endpoint=Endpoint.of_host(label, f"ssh://root@{label}")) for label, one in seen.items()]
    results = judged(pytester, labelled)
    failed = {(row["endpoint"], row["check"], row["remedy"]) for row in results if row["verdict"] == "fail"}
    assert failed == {(f"{check.replace('.', '-')}/", check, remedy) for check, remedy in HOSTS}
    verdicts = {row["check"]: row["verdict"] for row in results if row["endpoint"] == "well/"}
    assert set(verdicts.values()) == {"pass"}
    assert {"dcv.firewall", "dcv.firewall-narrow", "dcv.http-unreachable", "ops.clock-skew"} <= set(verdicts)
