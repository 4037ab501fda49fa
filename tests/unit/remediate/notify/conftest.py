"""Fixtures of the tests of notifications."""

from __future__ import annotations

from tests.support.notify.fixtures import journal, nights

__all__ = ["journal", "nights"]
