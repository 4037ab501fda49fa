"""What tests on real servers share: overlays that are there, a CA, and the host the audit runs on."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pytest

from tests.support.checkout import CHECKOUT
from tests.support.hosts.host import Host, running_host
from tests.support.hosts.overlay import why_missing
from tests.support.hosts.pki import Authority, new_authority
from tests.support.hosts.trust_functions import EVE, give

LONGEST: Final = (
    "system/cpanel/test_acceptance",
    "lab/test_demo",
    "system/repair/test_nightly",
    "system/repair/test_repair_killed",
    "system/repair/test_failures",
    "system/daemons/test_files",
    "system/deployment/test_switch",
    "system/cpanel/test_whm_switch",
)
"""The files of tests that take some half a minute and more, the longest first."""


@pytest.fixture(scope="session")
def overlays() -> None:
    """Skip where no overlay can be had, but never on CI: there everything runs."""
    why = why_missing()
    if why and os.environ.get("CI"):
        pytest.fail(f"on CI the real servers must be there: {why}", pytrace=False)
    if why:
        pytest.skip(f"no real servers here: {why}")


@pytest.fixture(scope="session")
def authority() -> Authority:
    return new_authority(datetime.now(UTC))


@pytest.fixture(scope="module")
def auditor(overlays: None) -> Iterator[Host]:  # noqa: ARG001 - asked for to skip or fail before anything starts
    """Run the host that audits: it has no server."""
    with running_host("main", "auditor.example.test") as host:
        yield host


@pytest.fixture
def root() -> Iterator[Path]:
    """Make a directory in which every component belongs to root (the one of pytest lies in /tmp)."""
    with tempfile.TemporaryDirectory(prefix="trust", dir="/var/lib") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture
def eves(root: Path) -> Path:
    """Make a directory of the attacker's in it."""
    (root / "eve").mkdir()
    return give(root / "eve", EVE, mode=0o755)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest: where files run beside one another, nothing waits for them at the end."""
    items.sort(key=_place)


def _place(item: pytest.Item) -> tuple[int, bool]:
    places = {name: place for place, name in enumerate(LONGEST)}
    name = str(item.path.relative_to(CHECKOUT / "tests").with_suffix(""))
    return places.get(name, len(LONGEST)), item.get_closest_marker("system") is None
