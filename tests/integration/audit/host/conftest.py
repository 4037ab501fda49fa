"""Fixtures of the tests of hosts."""

from __future__ import annotations

from tests.support.failing_logins import programs
from tests.support.own_network import own_network

__all__ = ["own_network", "programs"]
