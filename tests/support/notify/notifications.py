"""Notifications for tests: one host with one finding, and what differs from it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from remediate.model.causes import Cause
from remediate.notify.notification import HostSection, Notification, ReportItem, RunOrigin

AT: Final = datetime(2026, 11, 24, 2, 0, tzinfo=UTC)
RUN: Final = RunOrigin(AT, "ctl.example.com", "0.1.0")


def item(**differing: Any) -> ReportItem:  # noqa: ANN401 - the fields of an item
    """Return an item whose repair failed, but for what differs."""
    fields: dict[str, Any] = {
        "state": "failed",
        "services": ("dovecot",),
        "endpoint": "web1/imaps://mail.example.com:993",
        "check": "cert.expiring",
        "reason": "certificate for mail.example.com expires in 2 days",
        "causes": (Cause.DCV_BLOCKED,),
        "tried": "a new certificate from the issuer store",
        "happened": "DCV file not reachable",
        "to_do": "open port 80 of 192.0.2.7",
        "case": "1a2b3c4d5e6f7a8b",
        "next_try": datetime(2026, 11, 25, 2, 0, tzinfo=UTC),
    }
    return ReportItem(**(fields | differing))


def section(*items: ReportItem, host: str = "web1") -> HostSection:
    """Return the section of a host."""
    return HostSection(host, items or (item(),))


def notification(*sections: HostSection, **differing: Any) -> Notification:  # noqa: ANN401 - the fields of a notification
    """Return a notification about a failure, but for what differs."""
    fields: dict[str, Any] = {"state": "failed", "sections": sections or (section(),), "run": RUN}
    return Notification(**(fields | differing))
