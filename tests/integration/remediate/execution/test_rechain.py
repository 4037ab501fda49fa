"""A chain is completed with certificates from the host or from the CA, and the key stays."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from audit.x509.path.trust_store import TrustAnchors
from remediate.model.case import Repair
from remediate.model.outcome import CaseResult
from remediate.state.journal import Journal
from tests.support.http.scripted_server import Conversation, answering, conversing
from tests.support.remediate.chain_services import (
    INTERMEDIATE,
    ROOT,
    ca_below,
    fetcher,
    forms,
    installed,
    rechaining,
    serve_chain,
    write_kept,
)
from tests.support.remediate.fake_host.ca import AUTHORITY, DAY, NOW, Ca
from tests.support.remediate.fake_host.host import FakeHost, repaired, run_context, running_host
from tests.support.store.issuance import found_authority
from tests.support.x509.ca import new_intermediate

OTHER = found_authority(NOW)


def result_of(host: FakeHost, journal: Journal, *checks: str, **changes: Any) -> CaseResult:  # noqa: ANN401 - any field of the case or the run
    """Repair the chain and return how that ended."""
    case = rechaining(host, *checks, id=changes.pop("id", "rechain"))
    return host.repair(journal, case=case, **{"fetcher": fetcher(), **changes})


def intermediate(lasts: timedelta) -> x509.Certificate:
    """Return an intermediate of the same CA that expires that long from now."""
    key = AUTHORITY.intermediate.key
    return new_intermediate("Store Intermediate", AUTHORITY.root, now=NOW, lasts=lasts, key=key).certificate


@pytest.mark.parametrize("form", forms(INTERMEDIATE))
def test_published_intermediate_is_installed_and_the_key_stays(host: FakeHost, journal: Journal, form: str) -> None:
    with conversing(answering(forms(INTERMEDIATE, ROOT)[form])) as ca:
        leaf = serve_chain(host, urls=[ca.url()])
        key = host.key.read_text()
        ending = result_of(host, journal)
    assert (ending.ended_as, host.served, installed(host)) == ("proven", leaf, [INTERMEDIATE]), ending
    assert host.key.read_text() == key
    assert [moment.note for moment in journal.events("rechain") if moment.step == "fetch"][-1].startswith("leaf ")
    assert len(ca.heads) == 1


@pytest.mark.parametrize(
    "above",
    [(OTHER.intermediate.certificate, INTERMEDIATE), (INTERMEDIATE, INTERMEDIATE), (ROOT, INTERMEDIATE)],
    ids=["unrelated", "twice", "root first"],
)
def test_wrong_certificate_is_left_out_without_a_request(
    host: FakeHost, journal: Journal, above: tuple[x509.Certificate, ...]
) -> None:
    with conversing(answering(b"")) as ca:
        leaf = serve_chain(host, above, urls=[ca.url()])
        assert result_of(host, journal, "chain.order").ended_as == "proven"
    assert (host.served, installed(host), ca.heads) == (leaf, [INTERMEDIATE], [])


def test_intermediate_is_taken_from_a_version_of_an_earlier_repair(
    host: FakeHost, journal: Journal, tmp_path: Path
) -> None:
    write_kept(tmp_path / "sslaudit", INTERMEDIATE)
    serve_chain(host)
    assert (result_of(host, journal).ended_as, installed(host)) == ("proven", [INTERMEDIATE])


def test_two_missing_intermediates_are_fetched_one_after_the_other(host: FakeHost, journal: Journal) -> None:
    with conversing(answering(forms(INTERMEDIATE)["DER"])) as upper:
        middle = ca_below(AUTHORITY.intermediate, upper.url())
        with conversing(answering(forms(middle.certificate)["DER"])) as lower:
            serve_chain(host, urls=[lower.url()], issuer=middle)
            assert result_of(host, journal).ended_as == "proven"
    assert installed(host) == [middle.certificate, INTERMEDIATE]
    assert (len(lower.heads), len(upper.heads)) == (1, 1)


def test_intermediate_in_a_file_of_another_host_is_not_taken(host: FakeHost, journal: Journal, tmp_path: Path) -> None:
    serve_chain(host)
    with running_host(tmp_path / "other", "other") as other:
        serve_chain(other, [INTERMEDIATE])
        run = run_context(journal, Ca(), host, other, fetcher=fetcher())
        result = repaired(rechaining(host), run)
    assert (result.ended_as, result.cause, installed(host)) == ("failed", "fetch.no-issuer", [])


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (forms(OTHER.intermediate.certificate)["DER"], "no certificate in the response issued"),
        (forms(ROOT)["PEM"], "no certificate in the response issued"),
        (b"<html>404</html>", "the response contains no certificate"),
        (b"\x30\x82", "the response contains no certificate"),
        (b"", "the response contains no certificate"),
    ],
    ids=["another CA", "the root", "HTML", "cut", "nothing"],
)
def test_certificate_that_did_not_issue_the_leaf_is_not_installed(
    host: FakeHost, journal: Journal, content: bytes, words: str
) -> None:
    with conversing(answering(content)) as ca:
        leaf = serve_chain(host, urls=[ca.url()])
        ending = result_of(host, journal)
    assert (ending.ended_as, ending.cause, words in ending.note) == ("failed", "fetch.no-issuer", True), ending
    assert (host.served, installed(host), host.certificate.is_symlink()) == (leaf, [], False)
    assert journal.unfinished() == ()


def test_leaf_without_an_issuer_url_is_reported(host: FakeHost, journal: Journal) -> None:
    serve_chain(host)
    ending = result_of(host, journal)
    assert (ending.ended_as, "was not sent" in ending.note) == ("failed", True)


def test_each_issuer_url_is_fetched_once_up_to_the_limit(host: FakeHost, journal: Journal) -> None:
    with conversing(answering(b"", status="404 Not Found")) as ca:
        serve_chain(host, urls=[ca.url(f"/{number}") for number in (0, *range(20))])
        assert result_of(host, journal).ended_as == "failed"
    assert sorted(requested_paths(ca)) == sorted({f"/{number}" for number in range(8)})


def requested_paths(ca: Conversation) -> list[str]:
    """Return the paths that were requested."""
    return [head.split()[1] for head in ca.heads]


@pytest.mark.parametrize(
    ("check", "lasts", "cause", "why"),
    [
        ("chain.intermediate-expiring", 5 * DAY, "fetch.no-better", "ends"),
        ("chain.invalid-path", -DAY, "fetch.no-issuer", "clients refuse the path: intermediate 1"),
    ],
    ids=["expiring", "expired"],
)
def test_expiring_or_expired_intermediate_is_replaced_by_the_published_one(
    host: FakeHost, journal: Journal, check: str, lasts: timedelta, cause: str, why: str
) -> None:
    old = intermediate(lasts)
    serve_chain(host, [old])
    ending = result_of(host, journal, check)
    assert (ending.cause, why in ending.note, installed(host)) == (cause, True, [old]), ending
    with conversing(answering(forms(INTERMEDIATE)["DER"])) as ca:
        serve_chain(host, [old], urls=[ca.url()])
        ending = result_of(host, journal, check, id="again")
    assert (ending.ended_as, installed(host)) == ("proven", [INTERMEDIATE]), ending


def test_expiring_intermediate_beside_another_reason_is_not_kept(host: FakeHost, journal: Journal) -> None:
    old = intermediate(5 * DAY)
    serve_chain(host, [old])
    result = result_of(host, journal, "chain.order", "chain.intermediate-expiring")
    assert (result.ended_as, result.cause, installed(host)) == ("failed", "fetch.no-better", [old])


def test_path_that_clients_reject_fails_the_verification(host: FakeHost, journal: Journal) -> None:
    serve_chain(host, [intermediate(-DAY)])
    ending = host.repair(journal, case=host.case(Repair.RELOAD, id="reload"))
    assert (ending.cause, "clients refuse the path: intermediate 1" in ending.note) == ("proof.failed", True), ending


def test_old_files_are_restored_if_the_new_chain_is_not_served(host: FakeHost, journal: Journal) -> None:
    with conversing(answering(forms(INTERMEDIATE)["DER"])) as ca:
        serve_chain(host, urls=[ca.url()])
        ending = result_of(host, journal, installers=host.installers(loads=False))
    assert (ending.cause, "the switch is returned" in ending.note, installed(host)) == ("proof.failed", True, [])


def test_no_file_is_changed_without_a_trust_anchor(host: FakeHost, journal: Journal) -> None:
    serve_chain(host, [INTERMEDIATE, INTERMEDIATE])
    ending = result_of(host, journal, "chain.order", anchors=TrustAnchors({}))
    assert (ending.cause, host.certificate.is_symlink()) == ("fetch.no-issuer", False)
