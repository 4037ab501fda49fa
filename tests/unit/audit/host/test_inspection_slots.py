"""The hosts that are inspected at the same time: those that hang give their slots to the others."""

from __future__ import annotations

from audit.host.discovery.slots import InspectionSlots, Pacing

PACING = Pacing(silent_s=2.0, busy_s=5.0, most_slow=3)


def begun(slots: InspectionSlots, now: float) -> list[int]:
    return list(slots.begin(now))


def test_as_many_hosts_begin_as_there_are_slots() -> None:
    slots = InspectionSlots(3, 2, PACING)
    assert begun(slots, 0.0) == [0, 1]
    assert begun(slots, 1.0) == []
    slots.end(1, 1.0)
    assert begun(slots, 1.0) == [2]


def test_silent_host_gives_its_slot_to_the_next() -> None:
    slots = InspectionSlots(3, 1, PACING)
    assert begun(slots, 0.0) == [0]
    assert slots.next_change_s(0.5) == 1.5
    assert begun(slots, 1.9) == []
    assert begun(slots, 2.0) == [1]


def test_host_that_responded_keeps_its_slot_until_it_is_slow() -> None:
    slots = InspectionSlots(2, 1, PACING)
    assert begun(slots, 0.0) == [0]
    slots.respond(0, 1.0)
    slots.respond(0, 3.0)  # only the first byte counts
    assert begun(slots, 5.9) == []
    assert begun(slots, 6.0) == [1]


def test_late_response_ends_slowness() -> None:
    slots = InspectionSlots(1, 1, PACING)
    assert begun(slots, 0.0) == [0]
    assert slots.is_settled(2.0)
    slots.respond(0, 3.0)
    assert not slots.is_settled(3.0)


def test_limit_follows_the_median_of_the_other_hosts() -> None:
    slots = InspectionSlots(3, 2, PACING)
    assert begun(slots, 0.0) == [0, 1]
    slots.respond(0, 1.0)
    assert begun(slots, 2.9) == []  # three times the second that the first host took to respond
    slots.respond(1, 2.9)
    slots.end(0, 5.0)
    assert begun(slots, 5.0) == [2]
    slots.respond(2, 6.0)
    assert not slots.is_settled(14.8)  # three times the four seconds that the first host took after its response
    assert slots.is_settled(18.0)


def test_slow_hosts_are_bounded() -> None:
    slots = InspectionSlots(9, 2, PACING)
    started = [*begun(slots, 0.0), *begun(slots, 2.0), *begun(slots, 4.0)]
    assert started == [0, 1, 2, 3, 4]
    assert begun(slots, 9.0) == []
    slots.end(0, 9.0)
    assert begun(slots, 9.0) == [5]


def test_hosts_behind_too_many_slow_ones_are_not_awaited() -> None:
    slots = InspectionSlots(9, 2, PACING)
    for now in (0.0, 2.0, 4.0):
        begun(slots, now)
    assert not slots.is_settled(5.0)
    assert slots.is_settled(6.0)


def test_hosts_that_wait_for_a_slot_are_awaited() -> None:
    slots = InspectionSlots(2, 1, PACING)
    assert begun(slots, 0.0) == [0]
    slots.end(0, 1.0)
    assert not slots.is_settled(1.0)
    assert begun(slots, 1.0) == [1]
    slots.end(1, 2.0)
    assert slots.is_settled(2.0)
    assert slots.next_change_s(2.0) is None


def test_added_host_waits_behind_the_others() -> None:
    slots = InspectionSlots(1, 2, PACING)
    assert begun(slots, 0.0) == [0]
    slots.add(2)
    assert begun(slots, 0.0) == [1]
    slots.end(0, 0.5)
    assert begun(slots, 0.5) == [2]
