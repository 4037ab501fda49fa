"""A chain is made whole: from what lies on the host or from what the CA publishes, and with the key that is there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from audit.x509.path.trust_store import TrustAnchors
from remediate.execution.scheduler import repair
from remediate.model.case import Repair
from remediate.model.options import Concurrency
from remediate.model.outcome import CaseResult
from remediate.state.journal import Journal
from tests.support.probe.scripted_server import Conversation, answering, conversing
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
from tests.support.remediate.folder_hosts import AUTHORITY, DAY, NOW, Ca, Place, run_context, running_place
from tests.support.store.issuance import found_authority
from tests.support.x509.ca import new_intermediate

CONCURRENCY = Concurrency(chance=lambda: 0.0)
STRANGER = found_authority(NOW)


def walked(place: Place, journal: Journal, check: str = "chain.incomplete") -> CaseResult:
    """Repair the chain and return how that ended."""
    run = run_context(journal, Ca(), place, fetcher=fetcher())
    (ending,) = repair([rechaining(place, check)], run, CONCURRENCY)
    return ending


@pytest.mark.parametrize("form", forms(INTERMEDIATE))
def test_published_intermediate_is_installed_and_the_key_stays(place: Place, journal: Journal, form: str) -> None:
    with conversing(answering(forms(INTERMEDIATE, ROOT)[form])) as ca:
        leaf = plant_chain(place, urls=[ca.url()])
        key = (place.folder / "tls.key").read_text()
        ending = walked(place, journal)
    assert (ending.ended_as, place.served, installed(place)) == ("proven", leaf, [INTERMEDIATE]), ending
    assert (place.folder / "tls.key").read_text() == key
    assert [moment.note for moment in journal.events("rechain") if moment.step == "fetch"][-1].startswith("leaf ")
    assert len(ca.heads) == 1


@pytest.mark.parametrize(
    ("above", "check"),
    [
        ((STRANGER.intermediate.certificate, INTERMEDIATE), "chain.order"),
        ((INTERMEDIATE, INTERMEDIATE), "chain.order"),
        ((ROOT, INTERMEDIATE), "chain.order"),
    ],
    ids=["unrelated", "twice", "root first"],
)
def test_wrong_certificate_is_left_out_without_a_request(
    place: Place, journal: Journal, above: tuple[object, ...], check: str
) -> None:
    with conversing(answering(b"")) as ca:
        leaf = plant_chain(place, above, urls=[ca.url()])  # type: ignore[arg-type]  # certificates they are
        assert walked(place, journal, check).ended_as == "proven"
    assert (place.served, installed(place), ca.heads) == (leaf, [INTERMEDIATE], [])


def test_intermediate_is_taken_from_a_version_of_an_earlier_repair(
    place: Place, journal: Journal, tmp_path: Path
) -> None:
    write_kept(tmp_path / "sslaudit", INTERMEDIATE)
    plant_chain(place)
    assert (walked(place, journal).ended_as, installed(place)) == ("proven", [INTERMEDIATE])


def test_two_missing_intermediates_are_fetched_one_after_the_other(place: Place, journal: Journal) -> None:
    with conversing(answering(forms(INTERMEDIATE)["DER"])) as upper:
        middle = ca_below(AUTHORITY.intermediate, upper.url())
        with conversing(answering(forms(middle.certificate)["DER"])) as lower:
            plant_chain(place, urls=[lower.url()], issuer=middle)
            assert walked(place, journal).ended_as == "proven"
    assert installed(place) == [middle.certificate, INTERMEDIATE]
    assert (len(lower.heads), len(upper.heads)) == (1, 1)


def test_intermediate_in_a_file_of_another_host_is_not_taken(place: Place, journal: Journal, tmp_path: Path) -> None:
    plant_chain(place)
    with running_place(tmp_path / "other", "other") as other:
        plant_chain(other, [INTERMEDIATE])
        run = run_context(journal, Ca(), place, other, fetcher=fetcher())
        (result,) = repair([rechaining(place)], run, CONCURRENCY)
    assert (result.ended_as, result.cause, installed(place)) == ("failed", "fetch.no-issuer", [])


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (forms(STRANGER.intermediate.certificate)["DER"], "no certificate in the response issued"),
        (forms(ROOT)["PEM"], "no certificate in the response issued"),
        (b"<html>404</html>", "the response contains no certificate"),
        (b"\x30\x82", "the response contains no certificate"),
        (b"", "the response contains no certificate"),
    ],
    ids=["a stranger's", "the root", "HTML", "cut", "nothing"],
)
def test_certificate_that_did_not_issue_the_leaf_is_not_installed(
    place: Place, journal: Journal, content: bytes, words: str
) -> None:
    with conversing(answering(content)) as ca:
        leaf = plant_chain(place, urls=[ca.url()])
        ending = walked(place, journal)
    assert (ending.ended_as, ending.cause, words in ending.note) == ("failed", "fetch.no-issuer", True), ending
    assert (place.served, installed(place), (place.folder / "tls.crt").is_symlink()) == (leaf, [], False)
    assert journal.unfinished() == ()


def test_leaf_without_an_issuer_url_is_reported(place: Place, journal: Journal) -> None:
    plant_chain(place)
    ending = walked(place, journal)
    assert (ending.ended_as, "was not sent" in ending.note) == ("failed", True)


def test_each_issuer_url_is_fetched_once_up_to_the_limit(place: Place, journal: Journal) -> None:
    with conversing(answering(b"", status="404 Not Found")) as ca:
        plant_chain(place, urls=[ca.url(f"/{number}") for number in (0, *range(20))])
        assert walked(place, journal).ended_as == "failed"
    assert sorted(asked(ca)) == sorted({f"/{number}" for number in range(8)})


def asked(ca: Conversation) -> list[str]:
    """Return the paths that were asked for."""
    return [head.split()[1] for head in ca.heads]


def test_expiring_intermediate_is_replaced_by_one_of_the_same_ca(place: Place, journal: Journal) -> None:
    key = AUTHORITY.intermediate.key
    short = new_intermediate("Store Intermediate", AUTHORITY.root, now=NOW, lasts=5 * DAY, key=key)
    plant_chain(place, [short.certificate])
    ending = walked(place, journal, "chain.intermediate-expiring")
    assert (ending.cause, "ends" in ending.note, installed(place)) == ("fetch.no-better", True, [short.certificate])
    with conversing(answering(forms(INTERMEDIATE)["DER"])) as ca:
        plant_chain(place, [short.certificate], urls=[ca.url()])
        run = run_context(journal, Ca(), place, fetcher=fetcher())
        (ending,) = repair([replace(rechaining(place, "chain.intermediate-expiring"), id="again")], run, CONCURRENCY)
    assert (ending.ended_as, installed(place)[0]) == ("proven", INTERMEDIATE), ending


def test_expiring_intermediate_beside_another_reason_is_not_kept(place: Place, journal: Journal) -> None:
    key = AUTHORITY.intermediate.key
    short = new_intermediate("Store Intermediate", AUTHORITY.root, now=NOW, lasts=5 * DAY, key=key)
    plant_chain(place, [short.certificate])
    case = rechaining(place, "chain.order")
    reasons = (*case.reasons, *rechaining(place, "chain.intermediate-expiring").reasons)
    (result,) = repair([replace(case, reasons=reasons)], run_context(journal, Ca(), place), CONCURRENCY)
    assert (result.ended_as, result.cause, installed(place)) == ("failed", "fetch.no-better", [short.certificate])


def test_expired_intermediate_is_replaced_by_the_published_one(place: Place, journal: Journal) -> None:
    gone = new_intermediate("Store Intermediate", AUTHORITY.root, now=NOW, lasts=-DAY, key=AUTHORITY.intermediate.key)
    plant_chain(place, [gone.certificate])
    ending = walked(place, journal, "chain.invalid-path")
    assert (ending.cause, "clients refuse the path: intermediate 1" in ending.note) == ("fetch.no-issuer", True), ending
    with conversing(answering(forms(INTERMEDIATE)["DER"])) as ca:
        plant_chain(place, [gone.certificate], urls=[ca.url()])
        run = run_context(journal, Ca(), place, fetcher=fetcher())
        (ending,) = repair([replace(rechaining(place, "chain.invalid-path"), id="again")], run, CONCURRENCY)
    assert (ending.ended_as, installed(place)) == ("proven", [INTERMEDIATE]), ending


def test_path_that_clients_reject_fails_the_verification(place: Place, journal: Journal) -> None:
    gone = new_intermediate("Store Intermediate", AUTHORITY.root, now=NOW, lasts=-DAY, key=AUTHORITY.intermediate.key)
    plant_chain(place, [gone.certificate])
    (ending,) = repair([place.case(Repair.RELOAD, id="reload")], run_context(journal, Ca(), place), CONCURRENCY)
    assert (ending.cause, "clients refuse the path: intermediate 1" in ending.note) == ("proof.failed", True), ending


def test_old_files_are_restored_if_the_new_chain_is_not_served(place: Place, journal: Journal) -> None:
    with conversing(answering(forms(INTERMEDIATE)["DER"])) as ca:
        plant_chain(place, urls=[ca.url()])
        deaf = {place.service: place.installer(takes_up=False)}
        run = run_context(journal, Ca(), place, fetcher=fetcher(), installers=deaf)
        (ending,) = repair([rechaining(place)], run, CONCURRENCY)
    assert (ending.cause, "the switch is returned" in ending.note, installed(place)) == ("proof.failed", True, [])


def test_no_file_is_changed_without_a_trust_anchor(place: Place, journal: Journal) -> None:
    plant_chain(place, [INTERMEDIATE, INTERMEDIATE])
    run = run_context(journal, Ca(), place, anchors=TrustAnchors({}))
    (ending,) = repair([rechaining(place, "chain.order")], run, CONCURRENCY)
    assert (ending.cause, (place.folder / "tls.crt").is_symlink()) == ("fetch.no-issuer", False)
