"""What the tests of issuers share: the strict Store over HTTPS."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.issuers.clients import TOKEN
from tests.issuers.website import serving_website
from tests.lab.store import Store as StrictStore
from tests.lab.store import serving

pytest.register_assert_rewrite("tests.issuers.conformance")  # no test module itself, and yet it asserts


@pytest.fixture
def strict(tmp_path: Path) -> Iterator[StrictStore]:
    """Serve the strict Store over HTTPS, with a website that has no file."""
    with serving_website() as website:
        place = [("127.0.0.1", website.port)]
        with serving(tmp_path, lambda _: place, token=TOKEN, is_https=True) as store:
            yield store
