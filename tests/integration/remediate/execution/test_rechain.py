"""A chain is completed with certificates from the host or from the CA, and the key stays."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from audit.x509.path.trust_store import TrustAnchors
from remediate.execution.scheduler import repair
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
    plant_chain,
    rechaining,
    write_kept,
)
from tests.support.remediate.folder_hosts import (
    AUTHORITY,
    CONCURRENCY,
    DAY,
    NOW,
    Ca,
    FolderHost,
    run_context,
    running_host,
)
from tests.support.store.issuance import found_authority
from tests.support.x509.ca import new_intermediate

OTHER = found_authority(NOW)


def result_of(host: FolderHost, journal: Journal, check: str = "chain.incomplete") -> CaseResult:
    """Repair the chain and return how that ended."""
    run = run_context(journal, Ca(), host, fetcher=fetcher())
    (ending,) = repair([rechaining(host, check)], run, CONCURRENCY)
    return ending


@pytest.mark.parametrize("form", forms(INTERMEDIATE))
def test_published_intermediate_is_installed_and_the_key_stays(host: FolderHost, journal: Journal, form: str) -> None:
    with conversing(answering(forms(INTERMEDIATE, ROOT)[form])) as ca:
        leaf = plant_chain(host, urls=[ca.url()])
        key = (host.folder / "tls.key").read_text()
        ending = result_of(host, journal)
    assert (ending.ended_as, host.served, installed(host)) == ("proven", leaf, [INTERMEDIATE]), ending
    assert (host.folder / "tls.key").read_text() == key
    assert [moment.note for moment in journal.events("rechain") if moment.step == "fetch"][-1].startswith("leaf ")
    assert len(ca.heads) == 1


@pytest.mark.parametrize(
    ("above", "check"),
    [
        ((OTHER.intermediate.certificate, INTERMEDIATE), "chain.order"),
        ((INTERMEDIATE, INTERMEDIATE), "chain.order"),
        ((ROOT, INTERMEDIATE), "chain.order"),
    ],
    ids=["unrelated", "twice", "root first"],
)
def test_wrong_certificate_is_left_out_without_a_request(
    host: FolderHost, journal: Journal, above: tuple[object, ...], check: str
) -> None:
    with conversing(answering(b"")) as ca:
        leaf = plant_chain(host, above, urls=[ca.url()])  # type: ignore[arg-type]  # certificates they are
        assert result_of(host, journal, check).ended_as == "proven"
    assert (host.served, installed(host), ca.heads) == (leaf, [INTERMEDIATE], [])


def test_intermediate_is_taken_from_a_version_of_an_earlier_repair(
    host: FolderHost, journal: Journal, tmp_path: Path
) -> None:
    write_kept(tmp_path / "sslaudit", INTERMEDIATE)
    plant_chain(host)
    assert (result_of(host, journal).ended_as, installed(host)) == ("proven", [INTERMEDIATE])


def test_two_missing_intermediates_are_fetched_one_after_the_other(host: FolderHost, journal: Journal) -> None:
    with conversing(answering(forms(INTERMEDIATE)["DER"])) as upper:
        middle = ca_below(AUTHORITY.intermediate, upper.url())
        with conversing(answering(forms(middle.certificate)["DER"])) as lower:
            plant_chain(host, urls=[lower.url()], issuer=middle)
            assert result_of(host, journal).ended_as == "proven"
    assert installed(host) == [middle.certificate, INTERMEDIATE]
    assert (len(lower.heads), len(upper.heads)) == (1, 1)


def test_intermediate_in_a_file_of_another_host_is_not_taken(
    host: FolderHost, journal: Journal, tmp_path: Path
) -> None:
    plant_chain(host)
    with running_host(tmp_path / "other", "other") as other:
        plant_chain(other, [INTERMEDIATE])
        run = run_context(journal, Ca(), host, other, fetcher=fetcher())
        (result,) = repair([rechaining(host)], run, CONCURRENCY)
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
    host: FolderHost, journal: Journal, content: bytes, words: str
) -> None:
    with conversing(answering(content)) as ca:
        leaf = plant_chain(host, urls=[ca.url()])
        ending = result_of(host, journal)
    assert (ending.ended_as, ending.cause, words in ending.note) == ("failed", "fetch.no-issuer", True), ending
    assert (host.served, installed(host), (host.folder / "tls.crt").is_symlink()) == (leaf, [], False)
    assert journal.unfinished() == ()


def test_leaf_without_an_issuer_url_is_reported(host: FolderHost, journal: Journal) -> None:
    plant_chain(host)
    ending = result_of(host, journal)
    assert (ending.ended_as, "was not sent" in ending.note) == ("failed", True)


def test_each_issuer_url_is_fetched_once_up_to_the_limit(host: FolderHost, journal: Journal) -> None:
    with conversing(answering(b"", status="404 Not Found")) as ca:
        plant_chain(host, urls=[ca.url(f"/{number}") for number in (0, *range(20))])
        assert result_of(host, journal).ended_as == "failed"
    assert sorted(requested_paths(ca)) == sorted({f"/{number}" for number in range(8)})


def requested_paths(ca: Conversation) -> list[str]:
    """Return the paths that were requested."""
    return [head.split()[1] for head in ca.heads]


def test_expiring_intermediate_is_replaced_by_one_of_the_same_ca(host: FolderHost, journal: Journal) -> None:
    key = AUTHORITY.intermediate.key
    short = new_intermediate("Store Intermediate", AUTHORITY.root, now=NOW, lasts=5 * DAY, key=key)
    plant_chain(host, [short.certificate])
    ending = result_of(host, journal, "chain.intermediate-expiring")
    assert (ending.cause, "ends" in ending.note, installed(host)) == ("fetch.no-better", True, [short.certificate])
    with conversing(answering(forms(INTERMEDIATE)["DER"])) as ca:
        plant_chain(host, [short.certificate], urls=[ca.url()])
        run = run_context(journal, Ca(), host, fetcher=fetcher())
        (ending,) = repair([replace(rechaining(host, "chain.intermediate-expiring"), id="again")], run, CONCURRENCY)
    assert (ending.ended_as, installed(host)[0]) == ("proven", INTERMEDIATE), ending


def test_expiring_intermediate_beside_another_reason_is_not_kept(host: FolderHost, journal: Journal) -> None:
    key = AUTHORITY.intermediate.key
    short = new_intermediate("Store Intermediate", AUTHORITY.root, now=NOW, lasts=5 * DAY, key=key)
    plant_chain(host, [short.certificate])
    case = rechaining(host, "chain.order")
    reasons = (*case.reasons, *rechaining(host, "chain.intermediate-expiring").reasons)
    (result,) = repair([replace(case, reasons=reasons)], run_context(journal, Ca(), host), CONCURRENCY)
    assert (result.ended_as, result.cause, installed(host)) == ("failed", "fetch.no-better", [short.certificate])


def test_expired_intermediate_is_replaced_by_the_published_one(host: FolderHost, journal: Journal) -> None:
    gone = new_intermediate("Store Intermediate", AUTHORITY.root, now=NOW, lasts=-DAY, key=AUTHORITY.intermediate.key)
    plant_chain(host, [gone.certificate])
    ending = result_of(host, journal, "chain.invalid-path")
    assert (ending.cause, "clients refuse the path: intermediate 1" in ending.note) == ("fetch.no-issuer", True), ending
    with conversing(answering(forms(INTERMEDIATE)["DER"])) as ca:
        plant_chain(host, [gone.certificate], urls=[ca.url()])
        run = run_context(journal, Ca(), host, fetcher=fetcher())
        (ending,) = repair([replace(rechaining(host, "chain.invalid-path"), id="again")], run, CONCURRENCY)
    assert (ending.ended_as, installed(host)) == ("proven", [INTERMEDIATE]), ending


def test_path_that_clients_reject_fails_the_verification(host: FolderHost, journal: Journal) -> None:
    gone = new_intermediate("Store Intermediate", AUTHORITY.root, now=NOW, lasts=-DAY, key=AUTHORITY.intermediate.key)
    plant_chain(host, [gone.certificate])
    (ending,) = repair([host.case(Repair.RELOAD, id="reload")], run_context(journal, Ca(), host), CONCURRENCY)
    assert (ending.cause, "clients refuse the path: intermediate 1" in ending.note) == ("proof.failed", True), ending


def test_old_files_are_restored_if_the_new_chain_is_not_served(host: FolderHost, journal: Journal) -> None:
    with conversing(answering(forms(INTERMEDIATE)["DER"])) as ca:
        plant_chain(host, urls=[ca.url()])
        not_loading = {host.service: host.installer(takes_up=False)}
        run = run_context(journal, Ca(), host, fetcher=fetcher(), installers=not_loading)
        (ending,) = repair([rechaining(host)], run, CONCURRENCY)
    assert (ending.cause, "the switch is returned" in ending.note, installed(host)) == ("proof.failed", True, [])


def test_no_file_is_changed_without_a_trust_anchor(host: FolderHost, journal: Journal) -> None:
    plant_chain(host, [INTERMEDIATE, INTERMEDIATE])
    run = run_context(journal, Ca(), host, anchors=TrustAnchors({}))
    (ending,) = repair([rechaining(host, "chain.order")], run, CONCURRENCY)
    assert (ending.cause, (host.folder / "tls.crt").is_symlink()) == ("fetch.no-issuer", False)
