"""Fixtures of the tests of notifications."""

from __future__ import annotations

from tests.support.notify.fixtures import journal, runs

__all__ = ["journal", "runs"]
