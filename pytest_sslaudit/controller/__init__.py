"""The main process of an audit: what it audits, what it observes, and the hooks that report the results."""

from __future__ import annotations

from pytest_sslaudit.controller.hooks import Controller

__all__ = ["Controller"]
