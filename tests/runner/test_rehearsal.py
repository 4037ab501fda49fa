"""A rehearsal: what it tells is what the repair then does, and telling it changes nothing anywhere."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from remediate.execution.context import RunContext
from remediate.execution.dry_run import Touched, placeholders, rehearse
from remediate.execution.dry_run.bound import bound
from remediate.execution.dry_run.foretold import FORETOLD
from remediate.execution.executor import run_case
from remediate.execution.scheduler import repair
from remediate.execution.steps import TAKINGS
from remediate.hosts.command import Command
from remediate.issuers import OrderRequest
from remediate.issuers.base import Request
from remediate.model.case import Case, Repair, Validation, steps_of
from remediate.model.options import Pace
from remediate.state.journal import Journal, journal_snapshot, open_journal
from tests.runner.chains import INTERMEDIATE, plant_chain, write_kept
from tests.runner.places import plant
from tests.runner.premiere import SECOND, Premiere, come_true, digests, told

PACE = Pace(chance=lambda: 0.0)


def told_and_done(there: Premiere, case: Case, means: RunContext) -> tuple[list[Any], list[Any]]:
    """Rehearse a case, repair it, and return both: what was told with what came to be, and what was done."""
    begun = len(there.tape)
    told = list(rehearse(case, means))
    assert len(there.tape) == begun
    (ending,) = repair([case], means, PACE)
    assert (ending.kind, ending.note) == ("proven", "")
    return come_true(told, there.truth(case, means.root)), there.happened(begun)


def deaf(means: RunContext, there: Premiere) -> RunContext:
    """Return the means of a run in which both services go on with what they have."""
    installer = there.place.installer(takes_up=False)
    return replace(means, installers={installer.name: installer, SECOND: replace(installer, name=SECOND)})


def everything(folder: Path) -> dict[str, tuple[int, int, str]]:
    """Return modes, times and digests of all that is below a folder."""
    return {
        str(one): (
            one.lstat().st_mode,
            one.lstat().st_mtime_ns,
            hashlib.sha256(one.read_bytes()).hexdigest() if one.is_file() else "",
        )
        for one in folder.rglob("*")
    }


@pytest.mark.parametrize("is_compromised", [False, True], ids=["lost", "compromised"])
@pytest.mark.parametrize("kind", [Repair.REISSUE, Repair.REKEY])
def test_what_is_told_of_a_new_certificate_for_two_services_is_what_is_done(
    there: Premiere,
    journal: Journal,
    kind: Repair,
    is_compromised: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    case = there.case(kind, is_compromised=is_compromised)
    told, done = told_and_done(there, case, there.means(journal))
    assert told == done
    assert len(done) == (13 if is_compromised else 12)


def test_what_is_told_of_keys_that_are_closed_as_well_is_what_is_done(there: Premiere, journal: Journal) -> None:
    case = there.case()
    case = replace(case, steps=steps_of(Repair.REISSUE, case.services, case.endpoints, mend_modes=True))
    told, done = told_and_done(there, case, there.means(journal))
    assert told == done
    assert done[0].why == "close the keys to others"


def test_what_is_told_of_a_name_that_two_hosts_serve_is_what_is_done_on_both(
    there: Premiere, journal: Journal, tmp_path: Path
) -> None:
    case = there.case(validated_on=(Validation("a.example", ("a", "b")),))
    hands = {"a": there.place.hands, "b": there.place.hands}
    means = there.means(journal, hands=hands, roots={"b": str(tmp_path / "of-b")})
    text = told(case, means)
    assert text.endswith("nothing was changed; 10 commands on 2 hosts and 4 requests would be made")
    foretold, done = told_and_done(there, case, means)
    assert foretold == done
    assert [one.host for one in done if isinstance(one, Command)] == [*"aab", *"ab", *"aaaaa"]


def test_an_order_that_is_pending_is_asked_for_again_and_nothing_else_is_done(
    there: Premiere, journal: Journal
) -> None:
    there.store.misbehave("pending", times=2)
    told, done = told_and_done(there, there.case(), there.means(journal))
    last = max(number for number, one in enumerate(told) if isinstance(one, Request))
    again = len(done) - len(told)
    assert again > 0
    assert done == [*told[:last], *[told[last]] * again, *told[last:]]


def test_what_is_told_of_a_chain_that_is_made_whole_is_what_is_done(
    there: Premiere, journal: Journal, tmp_path: Path
) -> None:
    plant_chain(there.place)
    write_kept(tmp_path / "sslaudit", INTERMEDIATE)
    told, done = told_and_done(there, there.case(Repair.RECHAIN, id="rechain"), there.means(journal))
    assert told == done
    assert len(done) == 4


def test_what_is_told_of_a_renewal_by_its_owner_is_what_is_done(
    there: Premiere, journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = there.place
    plant_chain(place, [INTERMEDIATE])
    agent = tmp_path / "bin" / "dehydrated"
    (tmp_path / "renewed").mkdir()
    agent.parent.mkdir()
    for name in ("tls.crt", "tls.key"):
        shutil.copy(place.folder / name, tmp_path / "renewed")
    agent.write_text(f"#!/bin/sh\ncp {tmp_path}/renewed/* {place.folder}/\n")
    agent.chmod(0o755)
    monkeypatch.setenv("PATH", f"{agent.parent}:{os.environ['PATH']}")
    plant(place.folder, "a.example")
    case, means = place.case(Repair.RUN_OWNER, id="owner", owner="dehydrated"), there.means(journal)
    foretold = list(rehearse(case, means))
    assert [(ending.kind, ending.note) for ending in repair([case], means, PACE)] == [("proven", "")]
    assert (foretold, len(foretold)) == (there.happened(), 2)
    assert "only where it does not serve what is in its files by then" in told(replace(case, id="other"), means)


def test_what_is_told_of_keys_that_everybody_reads_is_what_is_done(there: Premiere, journal: Journal) -> None:
    case, means = there.case(Repair.HOST, id="modes"), there.means(journal)
    foretold = list(rehearse(case, means))
    assert [ending.kind for ending in repair([case], means, PACE)] == ["proven"]
    assert (foretold, len(foretold)) == (there.happened(), 1)


def test_what_is_told_of_a_service_that_only_has_to_read_its_files_is_what_is_done(
    there: Premiere, journal: Journal
) -> None:
    new = there.place.folder
    repair([there.case()], there.means(journal), PACE)
    files = {name: (new / name).read_bytes() for name in ("tls.crt", "tls.key")}
    plant(new, "a.example")
    for name, content in files.items():
        (new / name).write_bytes(content)
    case, means, begun = there.place.case(Repair.RELOAD, id="reload"), there.means(journal), len(there.tape)
    foretold = list(rehearse(case, means))
    assert [ending.kind for ending in repair([case], means, PACE)] == ["proven"]
    assert (foretold, len(foretold)) == (there.happened(begun), 1)


def test_what_is_told_of_a_case_that_an_earlier_run_left_is_what_the_next_does(
    there: Premiere, journal: Journal
) -> None:
    case = there.case()
    means = there.means(journal)
    assert [ending.cause for ending in repair([case], deaf(means, there), PACE)] == ["proof.failed"]
    assert "  waits         not tried again before" in told(case, means)
    begun, (left,) = len(there.tape), journal.unfinished()
    foretold = list(rehearse(left, means))
    assert run_case(left, means).kind == "proven"
    assert come_true(foretold, there.truth(case, means.root)) == there.happened(begun)
    assert [one.why for one in foretold if isinstance(one, Request)] == ["look at the order until it is issued"]


def test_telling_touches_no_host_no_issuer_and_no_file(there: Premiere, tmp_path: Path) -> None:
    with open_journal(tmp_path / "state") as journal:
        journal.begin(there.case(), datetime.now(UTC))
    before = everything(tmp_path)
    with journal_snapshot(tmp_path / "state") as journal:
        means = there.means(journal)
        for verbose in (False, True):
            assert told(there.case(), means, verbose=verbose)
        assert list(rehearse(there.case(), means))
    assert (everything(tmp_path), there.tape, there.store.orders()) == (before, [], [])


def test_without_a_state_folder_there_is_none_afterwards(there: Premiere, tmp_path: Path) -> None:
    with journal_snapshot(tmp_path / "state") as journal:
        assert told(there.case(), there.means(journal))
    assert not (tmp_path / "state").exists()


def test_what_a_rehearsal_has_to_work_with_cannot_do_anything(there: Premiere, journal: Journal) -> None:
    means = bound(there.means(journal))
    with pytest.raises(Touched, match="a test"):
        means.hands["a"].run(Command("a", "a test", "touch /tmp/rehearsal"))
    csr = placeholders.request()
    asks: list[Callable[[], object]] = [
        lambda: means.issuer.find(csr),
        lambda: means.issuer.order(OrderRequest(csr, ("a.example",), "key", "value")),
        lambda: means.issuer.collect("o-1"),
        lambda: means.issuer.cancel("o-1"),
    ]
    for ask in asks:
        with pytest.raises(Touched, match="asked the issuer"):
            ask()
    assert there.tape == []


def test_every_step_that_can_be_taken_can_be_told() -> None:
    takings = {type(taking) for takings in TAKINGS.values() for taking in takings.values()}
    assert takings == FORETOLD.keys()


def test_what_is_told_of_a_repair_that_cannot_come_to_its_end_is_what_is_done(
    there: Premiere, journal: Journal
) -> None:
    case = there.case(validated_on=(Validation("a.example", ("a", "b")),))
    means = there.means(journal)  # nobody is logged into b
    foretold = list(rehearse(case, means))
    assert [ending.cause for ending in repair([case], means, PACE)] == ["dcv.no-docroot"]
    csr = x509.load_pem_x509_csr(next(Path(means.root).rglob("csr.pem")).read_bytes())
    assert come_true(foretold, digests(csr)) == there.happened()
    assert [one.why.partition(" for ")[0] for one in foretold] == [
        "make a key (ecdsa-p256) and a certification request",
        "remove the file",
    ]
