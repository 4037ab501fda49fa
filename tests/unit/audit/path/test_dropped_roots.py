"""Roots that Mozilla's trust store dropped: messages name the release of certifi that is without one."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

import certifi
import pytest
from cryptography import x509

from audit.checks.test_chain import test_complete as complete
from audit.checks.test_chain import test_trusted as trusted
from audit.config import read_anchors
from audit.x509.certificate import Certificate
from audit.x509.path import dropped_roots
from audit.x509.path.dropped_roots import release_without
from tests.support.endpoint_facts import GOOD, INTERMEDIATE, ROOT, WEBPKI, certificate, chain, observed, public, served
from tests.support.verdicts import finding, inconclusive
from tests.support.x509.certificates import Draft, ca

OTHER: Final = public(ca("CN=Other"))
GLOBALSIGN: Final = "607b661a450d97ca89502f7d04cd34a8fffcfd4b"  # the key identifier of GlobalSign Root CA
DROPPED: Final = "Mozilla's trust store dropped this root (certifi 2025.4.26 is without it)"


def facts(*drafts: Draft) -> dict[str, object]:
    return {"chain": chain(*drafts, anchors=OTHER), "observation": observed(served(*drafts))}


def test_missing_issuer_that_was_dropped_is_named() -> None:
    key_id = x509.AuthorityKeyIdentifier(bytes.fromhex(GLOBALSIGN), None, None)
    below = replace(INTERMEDIATE, issuer=ca("CN=GlobalSign Root CA"), has_key_ids=False, extra=(key_id,))
    sent = facts(replace(GOOD, issuer=below, has_key_ids=False), below)
    expected = f"the issuer CN=GlobalSign Root CA was not sent; {DROPPED}"
    assert finding(complete, **sent).reason == expected
    assert inconclusive(trusted, **sent, policy=WEBPKI).reason == expected


def test_other_missing_issuer_is_not_called_dropped() -> None:
    assert finding(complete, **facts(GOOD, INTERMEDIATE)).reason == "the issuer CN=Root was not sent"


def test_root_that_was_dropped_is_named_by_its_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dropped_roots, "_by_key", lambda: {certificate(ROOT).spki_sha256: "2025.4.26"})
    found = finding(trusted, **facts(GOOD, INTERMEDIATE, ROOT), policy=WEBPKI)
    assert found.reason.startswith("the path ends in CN=Root, a self-signed certificate that is not a trust anchor; ")
    assert found.reason.endswith(DROPPED)


def number(release: str) -> tuple[int, ...]:
    return tuple(int(part) for part in release.split(".") if part.isdigit())


def test_installed_store_is_without_each_root_that_it_dropped() -> None:
    installed: Final = number(certifi.__version__)
    roots = [anchor for anchor in _anchors() if (release := release_without(anchor)) and number(release) <= installed]
    assert roots == []


def _anchors() -> list[Certificate]:
    return list(read_anchors(["mozilla"])._sources)


def test_table_has_release_key_and_key_identifier_of_each_root() -> None:
    rows = dropped_roots._rows()
    assert len({spki for _, spki, _ in rows}) == len(rows) > 100
    assert [
        row for row in rows if not re.fullmatch(r"20\d\d(\.\d+)+ [0-9a-f]{64} ([0-9a-f]{16,40}|-)", " ".join(row))
    ] == []
