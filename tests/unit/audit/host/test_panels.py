"""Tests of the marks of panels: a version that the login may not read is reported, and nothing else."""

from __future__ import annotations

import pytest

from audit.host.found_services import unread_marks
from audit.services import LAYOUTS
from audit.services.model import Section
from tests.unit.audit.host.test_listener_endpoints import FACTS

(LAYOUT,) = LAYOUTS
REPORT = f"root may not read {LAYOUT.mark}: the host is treated as one without {LAYOUT.name}"


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({}, ()),
        ({"clock": Section("1")}, ()),
        ({LAYOUT.name: Section("11.120.0.10")}, ()),
        ({LAYOUT.name: Section("", 1)}, (REPORT,)),
        ({LAYOUT.name: Section("")}, (REPORT,)),
    ],
    ids=["empty", "absent", "readable", "denied", "no version"],
)
def test_only_a_version_that_cannot_be_read_is_reported(answer: dict[str, Section], expected: tuple[str, ...]) -> None:
    assert unread_marks(answer, FACTS) == expected
