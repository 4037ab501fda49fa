"""A key on several endpoints is found before any is judged, by every worker, and again after a repair."""

from __future__ import annotations

from pathlib import Path

import pytest

from audit.endpoint import parse_endpoint
from audit.evaluation.key_index import KeyIndex, SharedKeys, sharing_from
from audit.observation import Observation
from pytest_sslaudit.evidence import Exchange
from tests.support.endpoint_facts import INTERMEDIATE, certificate, served
from tests.support.evidence import NOW, A, B, keep, rows
from tests.support.x509.certificates import Draft, key_named, leaf

C = parse_endpoint("https://c.example")
KEY = key_named("shared by two")


def draft(name: str, *, has_shared_key: bool = True) -> Draft:
    return (leaf(name).with_key(KEY) if has_shared_key else leaf(name)).by(INTERMEDIATE)


def seen(url: str, address: str, *, has_shared_key: bool = True) -> Observation:
    endpoint = parse_endpoint(url)
    shown = served(draft(endpoint.name, has_shared_key=has_shared_key), INTERMEDIATE, address=address)
    return Observation(endpoint, NOW, (address,), (shown,))


def both() -> tuple[Observation, ...]:
    """Return two endpoints that share a key, and one that does not."""
    alone = seen(str(C), "192.0.2.3", has_shared_key=False)
    return seen(str(A), "192.0.2.1"), seen(str(B), "192.0.2.2"), alone


def judged(pytester: pytest.Pytester, *arguments: str) -> dict[str, str]:
    evidence = keep(pytester.path / "evidence", both())
    given = ("--audit-from-evidence", str(evidence), "--audit-results=results.jsonl", "--audit-policy=webpki")
    pytester.runpytest("--pyargs", "audit", *given, *arguments)
    found = rows(pytester.path / "results.jsonl")
    return {row["endpoint"]: row["verdict"] for row in found if row["check"] == "key.reuse"}


def test_endpoints_that_share_a_key_are_reported(pytester: pytest.Pytester) -> None:
    assert judged(pytester) == {str(A): "fail", str(B): "fail", str(C): "pass"}
    (row, _) = [
        row for row in rows(pytester.path / "results.jsonl") if row["verdict"] == "fail" and row["check"] == "key.reuse"
    ]
    assert (row["severity"], row["remedy"], row["policy"]) == ("medium", "rekey", "webpki")
    assert str(A) in row["message"]
    assert str(B) in row["message"]


def test_run_of_one_endpoint_ignores_unselected_endpoints(pytester: pytest.Pytester) -> None:
    assert judged(pytester, "-k", "a.example and one_service") == {str(A): "pass"}


def test_shared_key_can_be_waived_for_one_endpoint(pytester: pytest.Pytester) -> None:
    (pytester.path / "waivers.toml").write_text(
        f'[[waiver]]\ncheck = "key.reuse"\nendpoint = "{A}"\nreason = "moves"\nowner = "ops"\nexpires = 2027-01-01\n'
    )
    assert judged(pytester, "--audit-waivers=waivers.toml") == {str(A): "waived", str(B): "fail", str(C): "pass"}


def digest() -> str:
    return certificate(draft("a.example")).spki_sha256


def test_last_observation_of_an_endpoint_counts() -> None:
    index = KeyIndex()
    for one in both():
        index.add(one)
    assert index.sharing(digest()).is_shared
    index.add(seen(str(B), "192.0.2.2", has_shared_key=False))
    assert not index.sharing(digest()).is_shared
    index.add(seen(str(B), "192.0.2.2"))
    assert index.sharing(digest()).is_shared


def test_workers_receive_only_the_shared_keys(tmp_path: Path) -> None:
    index, exchange = KeyIndex(), Exchange(tmp_path)
    for one in both():
        index.add(one)
    exchange.keep_shared_keys(index.shared())
    assert list(exchange.shared_keys().keys) == [digest()]
    ask = sharing_from(exchange.shared_keys)
    assert ask(digest()) == index.sharing(digest())
    assert not ask("00" * 32).is_shared


def test_worker_reads_the_shared_keys_once_on_demand() -> None:
    read: list[SharedKeys] = []

    def reading() -> SharedKeys:
        read.append(SharedKeys())
        return read[-1]

    ask = sharing_from(reading)
    assert read == []
    assert [ask(digest).is_shared for digest in ("a", "b")] == [False, False]
    assert len(read) == 1
