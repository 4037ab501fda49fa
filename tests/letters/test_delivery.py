"""What was not taken is kept and tried again, and nobody is sent a letter twice, wherever the process ends."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from audit.redaction import Secrets
from remediate.notify.channels.base import Deferred, Delivered, Envelope, Outcome, Refused, Unknown
from remediate.notify.channels.email_message import compose
from remediate.notify.delivery import deliver
from remediate.state.database import open_database
from remediate.state.outbox import Outbox
from tests.letters.news import AT, letter
from tests.letters.sink import answering, misbehaving, serving
from tests.letters.test_smtp import relay

ONE, TWO = "one@example.com", "two@example.com"


@dataclass(frozen=True)
class Letter:
    """A letter that waits."""

    number: int
    message: bytes
    kept_at: datetime
    progress: str = ""


@dataclass
class Box:
    """An outbox in memory; killed at a record where it is told to be."""

    letters: dict[int, Letter] = field(default_factory=dict)
    ended: list[tuple[int, str]] = field(default_factory=list)
    records: int = 0
    killed_after: int = 10_000

    def put(self, *recipients: str) -> None:
        raw = compose(letter(), "sslaudit@example.com", recipients).as_bytes()
        number = len(self.letters) + 1
        self.letters[number] = Letter(number, raw, AT)

    def waiting(self) -> tuple[Letter, ...]:
        return tuple(self.letters.values())

    def progressed(self, number: int, progress: str) -> None:
        self.letters[number] = replace(self.letters[number], progress=progress)
        self._record()

    def handed_over(self, number: int, at: datetime) -> None:
        assert at.tzinfo
        del self.letters[number]
        self.ended.append((number, "handed over"))
        self._record()

    def lost(self, number: int) -> None:
        del self.letters[number]
        self.ended.append((number, "lost"))
        self._record()

    def _record(self) -> None:
        self.records += 1
        if self.records == self.killed_after:
            raise KeyboardInterrupt


@dataclass
class Script:
    """A post that answers as it is told, and counts what it took."""

    answers: dict[str, Outcome] = field(default_factory=dict)
    taken: list[str] = field(default_factory=list)

    def send(self, envelope: Envelope, commit: Callable[[], None]) -> Mapping[str, Outcome]:
        outcomes = {who: self.answers.get(who, Delivered("250 OK")) for who in envelope.recipients}
        if any(not isinstance(what, Deferred) for what in outcomes.values()):
            commit()
        self.taken += [who for who, what in outcomes.items() if isinstance(what, Delivered)]
        return outcomes


@pytest.fixture
def box() -> Box:
    box = Box()
    box.put(ONE, TWO)
    return box


def test_a_letter_that_all_have_taken_waits_no_more(box: Box) -> None:
    post = Script()
    (fate,) = deliver(box, [post], AT)
    assert (box.ended, post.taken) == ([(1, "handed over")], [ONE, TWO])
    assert str(fate) == "letter 1: handed over"
    assert deliver(box, [post], AT) == ()


def test_who_was_put_off_is_tried_again_later_and_who_has_it_is_not(box: Box) -> None:
    post = Script({TWO: Deferred("greylisted")})
    (fate,) = deliver(box, [post], AT)
    assert fate.next_at == AT + timedelta(minutes=30)
    assert str(fate) == "letter 1: two@example.com: deferred: greylisted; tried again from 2026-11-24T02:30:00Z"
    assert deliver(box, [post], AT + timedelta(minutes=29)) == ()
    post.answers.clear()
    deliver(box, [post], AT + timedelta(minutes=30))
    assert (post.taken, box.ended) == ([ONE, TWO], [(1, "handed over")])


def test_the_pause_doubles_to_four_hours_and_after_five_days_it_is_given_up(box: Box) -> None:
    post, at, pauses = Script({ONE: Deferred("down"), TWO: Deferred("down")}), AT, []
    while box.letters:
        (fate,) = deliver(box, [post], at)
        if fate.next_at:
            pauses.append((fate.next_at - at) / timedelta(hours=1))
            at = fate.next_at
    assert pauses[:5] == [0.5, 1, 2, 4, 4]
    assert box.ended == [(1, "lost")]
    assert fate.outcomes[ONE] == Refused("given up after 5 days: down")
    assert timedelta(days=5) < at - AT < timedelta(days=5, hours=5)


def test_the_second_post_is_asked_where_the_first_put_it_off_and_for_nobody_else(box: Box) -> None:
    first, second = Script({TWO: Deferred("no connection")}), Script()
    deliver(box, [first, second], AT)
    assert (first.taken, second.taken, box.ended) == ([ONE], [TWO], [(1, "handed over")])
    box = Box()
    box.put(ONE, TWO)
    first, second = Script({ONE: Refused("550"), TWO: Unknown("cut")}), Script()
    deliver(box, [first, second], AT)
    assert second.taken == []


def test_both_reasons_are_told_where_both_posts_put_it_off(box: Box) -> None:
    down = Script({ONE: Deferred("no relay"), TWO: Deferred("no relay")})
    (fate,) = deliver(box, [down, Script({ONE: Deferred("no sendmail")})], AT)
    assert fate.outcomes[ONE] == Deferred("no relay; then no sendmail")
    assert deliver(Box({1: box.letters[1]}), [], AT + timedelta(days=1))[0].outcomes[ONE] == Deferred(
        "there is no way to send mail"
    )


def test_a_letter_that_nobody_took_is_lost_so_that_its_state_counts_as_not_told(box: Box) -> None:
    (fate,) = deliver(box, [Script({ONE: Refused("550 no such user"), TWO: Unknown("cut")})], AT)
    assert box.ended == [(1, "lost")]
    assert str(fate) == "letter 1: one@example.com: refused: 550 no such user; two@example.com: unknown: cut"


def test_a_letter_that_one_took_and_one_refused_is_handed_over(box: Box) -> None:
    deliver(box, [Script({ONE: Refused("550 no such user")})], AT)
    assert box.ended == [(1, "handed over")]


def test_one_letter_that_is_put_off_does_not_hold_up_the_next(box: Box) -> None:
    box.put("three@example.com")
    post = Script({ONE: Deferred("down"), TWO: Deferred("down")})
    deliver(box, [post], AT)
    assert (post.taken, list(box.letters)) == (["three@example.com"], [1])


@pytest.mark.parametrize("killed_after", range(1, 6))
def test_killed_at_any_record_nobody_is_sent_a_letter_twice(box: Box, killed_after: int) -> None:
    first, second = Script({TWO: Deferred("down")}), Script()
    box.killed_after = killed_after
    with pytest.raises(KeyboardInterrupt):
        deliver(box, [first, second], AT)
    deliver(box, [first, second], AT + timedelta(days=1))
    assert box.letters == {}
    taken = [*first.taken, *second.taken]
    assert len(taken) == len(set(taken))
    assert [number for number, _ in box.ended] == [1]


def test_a_real_server_that_cuts_after_the_content_is_not_sent_it_again(box: Box) -> None:
    with misbehaving(answering(content=None)) as port:
        (fate,) = deliver(box, [relay(port)], AT)
    assert all(isinstance(outcome, Unknown) for outcome in fate.outcomes.values())
    with serving() as sink:
        assert deliver(box, [relay(sink.port)], AT + timedelta(days=1)) == ()
    assert sink.taken == []


def test_a_real_server_that_greylists_gets_the_letter_the_second_time(box: Box) -> None:
    with serving() as sink:
        sink.answers = {ONE: "451 4.7.1 greylisted", TWO: "451 4.7.1 greylisted"}
        deliver(box, [relay(sink.port)], AT)
        sink.answers = {}
        deliver(box, [relay(sink.port)], AT + timedelta(hours=1))
        deliver(box, [relay(sink.port)], AT + timedelta(hours=2))
    assert [recipients for _, recipients, _ in sink.taken] == [(ONE, TWO)]


def test_the_journal_keeps_what_is_put_off_and_forgets_what_nobody_took(tmp_path: Path) -> None:
    database = open_database(tmp_path / "state")
    outbox = Outbox(database, Secrets())
    outbox.keep("well", None, AT)
    raw = compose(letter(), "sslaudit@example.com", [ONE, TWO]).as_bytes()
    outbox.keep("first", raw, AT)
    post = Script({TWO: Deferred("greylisted")})
    deliver(outbox, [post], AT)
    assert deliver(outbox, [post], AT) == (), "it is not due yet"
    post.answers.clear()
    deliver(outbox, [post], AT + timedelta(days=1))
    assert (post.taken, outbox.waiting(), outbox.told()) == ([ONE, TWO], (), "first")
    outbox.keep("second", raw, AT)
    deliver(outbox, [Script({ONE: Refused("550"), TWO: Unknown("cut")})], AT)
    assert (outbox.waiting(), outbox.told()) == ((), "first")
    database.close()
