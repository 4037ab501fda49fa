"""Where nothing can be ordered for a panel's service that has no certificate of now, it is kept up all the same."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from remediate.journal import Journal
from remediate.plan import Plan, Waiting
from remediate.rehearsal import rehearsal_lines
from remediate.stopgap import stopgaps
from remediate.walk import Ending
from tests.runner.panel_exim import Exim
from tests.runner.places import Ca

CLOSED = "a/: dcv.firewall: rule 3 of the chain input drops what comes to TCP port 80"
NO_ISSUER = "no issuer is chosen: [remediate] issuer, and its section [issuer.NAME]"


def done(exim: Exim, journal: Journal, *because: str, **changes: Any) -> tuple[Ending, ...]:  # noqa: ANN401 - any field of the means
    """Return what is done for its case, which waits for these reasons."""
    return tuple(stopgaps([Waiting(exim.case(), because)], exim.means(journal, Ca(), **changes)))


@pytest.mark.parametrize(
    ("because", "cause"),
    [((CLOSED,), "dcv.firewall"), ((NO_ISSUER,), "issuer.none"), ((CLOSED, NO_ISSUER), "dcv.firewall")],
)
def test_it_gets_a_placeholder_and_the_reason_is_told(
    exim: Exim, journal: Journal, because: tuple[str, ...], cause: str
) -> None:
    [ending] = done(exim, journal, *because)
    assert (ending.kind, ending.cause, exim.is_self_signed) == ("failed", cause, True)
    assert ending.note.startswith(because[0])
    assert "placeholder was installed for exim" in ending.note
    assert done(exim, journal, *because) == ()


@pytest.mark.parametrize(
    "clause",
    [
        "a/: ops.clock-skew: the clock is a day ahead", "it was observed 3 h ago: observe it again first",
        "the audit did not finish: what it would have found is not known",
        "a run repairs at most 2 certificates (max_cases), and 5 ask",
    ],
)  # fmt: skip
def test_where_it_is_not_sure_that_it_has_none_nothing_is_done(exim: Exim, journal: Journal, clause: str) -> None:
    assert done(exim, journal, CLOSED, clause) == ()
    assert exim.calls == []


def test_where_repair_is_switched_off_nothing_is_done(exim: Exim, journal: Journal) -> None:
    assert done(exim, journal, CLOSED, left_alone={"a": "switched off"}) == ()
    assert exim.calls == []


def test_a_case_that_goes_on_by_itself_is_left_to_that(exim: Exim, journal: Journal) -> None:
    journal.begin(exim.case(), datetime.now(UTC))
    assert done(exim, journal, CLOSED) == ()


def test_a_certificate_that_has_not_expired_stays(exim: Exim, journal: Journal) -> None:
    exim.install(-90, 91)
    assert (done(exim, journal, CLOSED), exim.calls) == ((), [])


def test_a_rehearsal_says_so(exim: Exim, journal: Journal) -> None:
    waits = Plan((), (), (Waiting(exim.case(), (CLOSED,)),))
    assert "the panel gives exim a self-signed one" in "\n".join(rehearsal_lines(waits, exim.means(journal, Ca())))
