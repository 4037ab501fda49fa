"""Notifications of every kind, and their bodies as files.

`python -m tests.unit.remediate.notify.samples` writes them again.

A change of the wording or of a template is reviewed as the difference of these files.
"""

from __future__ import annotations

import email
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from email.policy import SMTP
from pathlib import Path
from typing import Final

from audit.verdict import Severity
from remediate.model.causes import Cause
from remediate.notify.channels.email_message import compose
from remediate.notify.channels.webhook_message import render_body
from remediate.notify.notification import Notification
from tests.support.notify.notifications import item, notification, section

FOLDER: Final = Path(__file__).parent / "bodies"
HOSTILE: Final = (
    "x\r\nBcc: victim@example.com\r\n\r\n<script>alert(1)</script> \x1b[2J\u202e & \ud800 {{ 7*7 }}{% raw %} \"'\x00"
)
_TEXTS: Final = ("endpoint", "check", "reason", "tried", "happened", "to_do", "case")
_HOPS: Final = (
    "mail.example.com at 192.0.2.7: redirected: no redirect is followed\n"
    "  http://mail.example.com/.well-known/pki-validation/X.txt: 302\n"
    "  http://mail.example.com/" + "a" * 90 + ": 200"
)
_WAITING: Final = item(
    state="waiting",
    services=("nginx", "dovecot"),
    causes=(Cause.ISSUER_PENDING,),
    happened="store: order 4711 is being looked at",
    to_do="nothing: the issuer is still working",
)
_DOWN: Final = item(
    causes=(Cause.SERVICE_DOWN,),
    severity=Severity.CRITICAL,
    happened="dovecot did not start with its old files",
    to_do="start the service now",
    next_try=None,
)
_REPAIRED: Final = item(state="repaired", causes=(), happened="verified at every address", to_do="", next_try=None)
_MINOR: Final = item(
    services=(), endpoint="", check="host.clock", causes=(), tried="", severity=Severity.LOW, below_threshold=True
)

SAMPLES: Final[Mapping[str, Notification]] = {
    "problem": notification(section(item(happened=_HOPS, causes=(Cause.DCV_REDIRECTED,)))),
    "waiting": notification(section(_WAITING), state="waiting", remarks=("no mail to x@example.net of web1",)),
    "repaired": notification(section(_REPAIRED), state="repaired"),
    "repaired-in-part": notification(section(replace(_REPAIRED, is_in_part=True))),
    "recovered": notification(section(item(state="recovered", causes=(), happened="it passes")), state="recovered"),
    "service-down": notification(section(_DOWN)),
    "several-hosts": notification(
        section(_WAITING, _REPAIRED, _MINOR, item(), host="local"),
        section(item(services=("exim",), tried="", next_try=datetime(2026, 12, 1, tzinfo=UTC)), host="web2"),
        section(*(item(endpoint=f"https://h{number}.example.com:443") for number in range(52)), host="web3"),
    ),
    "hostile": notification(
        section(item(services=(HOSTILE,), **dict.fromkeys(_TEXTS, HOSTILE)), host=HOSTILE), remarks=(HOSTILE,)
    ),
}


WEBHOOK_SAMPLES: Final = tuple(name for name in SAMPLES if name != "several-hosts")
"""The samples that are also written as the body of a webhook; the other one is long."""


def bodies_of(sample: Notification) -> dict[str, str]:
    """Return the bodies of a notification as they are read at the other end, by their file's suffix."""
    raw = compose(sample, "sslaudit@example.com", ["admin@example.com"]).as_bytes()
    message = email.message_from_bytes(raw, policy=SMTP)
    found = {"txt": message.get_body(("plain",)), "html": message.get_body(("html",))}
    return {suffix: body.get_content().replace("\r\n", "\n") for suffix, body in found.items() if body}


def webhook_body_of(sample: Notification) -> str:
    """Return the body of a notification as a webhook sends it, indented."""
    return f"{json.dumps(json.loads(render_body(sample)), indent=2)}\n"


def main() -> None:
    """Write the bodies of all samples."""
    for name, sample in SAMPLES.items():
        as_json = {"json": webhook_body_of(sample)} if name in WEBHOOK_SAMPLES else {}
        for suffix, body in (bodies_of(sample) | as_json).items():
            (FOLDER / f"{name}.{suffix}").write_text(body, encoding="utf-8")


if __name__ == "__main__":
    main()
