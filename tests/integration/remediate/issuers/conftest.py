"""The fixture of the tests of issuers: the strict Store over HTTPS."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.http.websites import serving_website
from tests.support.store.clients import TOKEN
from tests.support.store.server import Store as StrictStore
from tests.support.store.server import serving

pytest.register_assert_rewrite("tests.support.store.conformance")  # no test module itself, and yet it asserts


@pytest.fixture
def strict(tmp_path: Path) -> Iterator[StrictStore]:
    """Serve the strict Store over HTTPS, with a website that has no file."""
    with serving_website() as website:
        addresses = [("127.0.0.1", website.port)]
        with serving(tmp_path, lambda _: addresses, token=TOKEN, is_https=True) as store:
            yield store
