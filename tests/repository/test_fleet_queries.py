"""The queries of docs/fleet.md, run by DuckDB on the results files of two audits, plain and compressed."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import duckdb
import pytest

from audit.endpoint import Endpoint, parse_endpoint
from audit.observation import Observation
from tests.repository.test_docs import blocks
from tests.support.endpoint_facts import ROOT, observed, served
from tests.support.evidence import keep, rows, unreachable
from tests.support.x509.certificates import DAY, NOW, Draft, ca, leaf, rsa_key

TABLES, EXPIRING, KEY_TYPES, CHANGED = (
    block for block in blocks("docs/fleet.md") if re.match("CREATE|SELECT|WITH", block)
)
FORMS: Final = ("jsonl", "jsonl.gz")
ONE, OTHER = ca("CN=CA One,O=Test", ROOT), ca("CN=CA Other,O=Test", ROOT)
SOON: Final = NOW + 10 * DAY


def endpoint(name: str) -> Endpoint:
    return parse_endpoint(f"https://{name}.example")


def seen(name: str, *leaves: Draft) -> Observation:
    """Return the observation of an endpoint that serves one chain for each of these leaves, at one address each."""
    handshakes = [
        served(draft, draft.issuer or ROOT, address=f"192.0.2.{number}") for number, draft in enumerate(leaves, start=1)
    ]
    return replace(observed(*handshakes, endpoint=endpoint(name)), observed_at=NOW)


def issued(name: str, issuer: Draft, end: datetime) -> Draft:
    return leaf(f"{name}.example").by(issuer).ending(end)


def audited(pytester: pytest.Pytester, name: str, observations: Sequence[Observation]) -> None:
    """Audit these observations twice, into a plain and a compressed results file."""
    keep(pytester.path / name, observations)
    for form in FORMS:
        given = (f"--audit-from-evidence={name}", f"--audit-results={name}.{form}", f"--audit-now={NOW:%FT%TZ}")
        pytester.runpytest(
            "-q", "--pyargs", "audit", *given, "--audit-check=cert.exp*", "--audit-check=svc.unreachable"
        )


def answer(folder: Path, form: str, query: str) -> list[tuple[Any, ...]]:
    """Return the rows of a query of the document on the files of this form."""
    with duckdb.connect() as database:
        database.execute(f"SET file_search_path = '{folder}'")
        database.execute(TABLES)
        rows: list[tuple[Any, ...]] = database.execute(query.replace(".jsonl.gz'", f".{form}'")).fetchall()
        return rows


def append(file: Path, row: Mapping[str, Any]) -> None:
    with file.open("a", encoding="utf-8") as lines:
        lines.write(f"{json.dumps(row)}\n")


@pytest.fixture
def runs(pytester: pytest.Pytester) -> Path:
    """Audit a fleet twice; between the runs one certificate is renewed, one endpoint goes down, and one is new."""
    rsa = issued("two", ONE, SOON).with_key(rsa_key(2048))
    two = seen("two", issued("two", ONE, NOW + 80 * DAY), rsa)
    soon, other = seen("soon", issued("soon", OTHER, NOW + 5 * DAY)), seen("other", issued("other", ONE, SOON))
    old = seen("old", issued("old", OTHER, NOW - DAY))
    audited(pytester, "yesterday", [two, soon, seen("down", issued("down", ONE, NOW + 80 * DAY)), old])
    renewed = seen("old", issued("old", OTHER, NOW + 85 * DAY))
    audited(pytester, "results", [two, soon, unreachable(endpoint("down")), renewed, other])
    return pytester.path


@pytest.mark.parametrize("form", FORMS)
def test_queries_of_the_document_have_the_right_rows(runs: Path, form: str) -> None:
    assert answer(runs, form, EXPIRING) == [
        ("CN=CA Other,O=Test", 1, 1, datetime(2026, 11, 28, 10)),  # noqa: DTZ001 - DuckDB returns UTC without a zone
        ("CN=CA One,O=Test", 2, 2, datetime(2026, 12, 3, 10)),  # noqa: DTZ001 - as above
    ]
    assert answer(runs, form, KEY_TYPES) == [("EC", 256, 4), ("RSA", 2048, 1)]
    no_handshake = "there was no handshake to judge: 192.0.2.1, connect: connection refused by 192.0.2.1"
    assert answer(runs, form, CHANGED) == [
        (str(endpoint("down")), "cert.expired", "pass", "inconclusive", no_handshake),
        (str(endpoint("down")), "cert.expiring", "pass", "inconclusive", no_handshake),
        (str(endpoint("down")), "svc.unreachable", "pass", "fail", no_handshake.partition(": ")[2]),
        (str(endpoint("old")), "cert.expired", "fail", "pass", "expired 1 day ago (2026-11-22 10:00 UTC)"),
    ]


def test_queries_take_the_state_after_a_repair(runs: Path) -> None:
    observations = {row["endpoint"]: row for row in rows(runs / "results.jsonl", "observation")}
    chains = observations[str(endpoint("old"))]["chains"]
    after = {"phase": "after", "observed_at": "2026-11-23T11:00:00Z"}
    append(runs / "results.jsonl", {**observations[str(endpoint("soon"))], **after, "chains": chains})
    assert [row[0] for row in answer(runs, "jsonl", EXPIRING)] == ["CN=CA One,O=Test"]
    (finding,) = (row for row in rows(runs / "yesterday.jsonl") if row["verdict"] == "fail")
    append(runs / "yesterday.jsonl", {**finding, **after, "verdict": "pass"})
    assert {row[0] for row in answer(runs, "jsonl", CHANGED)} == {str(endpoint("down"))}
