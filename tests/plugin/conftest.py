"""Keeps loaded what the audits that run in the process of a test import late: pytester drops what a test imports.

The inspection of hosts would be another module for each test than the one that the tests replace functions of.
"""

from __future__ import annotations

import contextlib

import pytest

import audit.host.inspect  # noqa: F401 - as above
from audit.x509.lint.pkilint import full_lint
from tests.support.endpoint_facts import GOOD


@pytest.fixture(scope="session", autouse=True)
def _pkilint_stays_loaded() -> None:
    """Import pkilint once: pytester drops what a test imports, and the library does not work if it is imported anew."""
    with contextlib.suppress(LookupError):
        full_lint(GOOD.der)
