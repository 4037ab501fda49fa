"""The message of a webhook: its JSON body, its id, and its signature as in Standard Webhooks 1.0.0.

The format is described in docs/notifications.md. Everything that a host or a CA wrote is hostile: each text is made
printable and cut.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from audit.json_codec import format_time
from audit.text import MAX_LINE, one_line, printable_lines, shortened
from remediate.notify.notification import WORST_FIRST, Notification, ReportItem, items_worst_first, subject

BODY_SCHEMA: Final = 1
"""The version of the body. A new field does not change it; readers ignore fields that they do not know."""
_MAX_ITEMS: Final = 100  # the others are counted
_MAX_FINDINGS: Final = 50  # of one item
_MAX_NAMES: Final = 20  # services of one item
_MAX_TEXT: Final = 2_000  # characters
_KEY_BYTES: Final = range(24, 65)  # Standard Webhooks 1.0.0, "Signature scheme"
_PREFIX: Final = "whsec_"


def render_body(notification: Notification) -> bytes:
    """Return the body. The same notification gives the same body."""
    ranked = items_worst_first(notification.named_sections)
    counts = Counter(item.state for _, item in ranked)
    data = {
        "schema": BODY_SCHEMA,
        "state": notification.state,
        "digest": notification.digest,
        "summary": subject(notification),
        "controller": one_line(notification.run.controller, MAX_LINE),
        "version": one_line(notification.run.version, 60),
        "counts": {state: counts[state] for state in WORST_FIRST},
        "items": [_item(section.host, item) for section, item in ranked[:_MAX_ITEMS]],
        "omitted_items": max(0, len(ranked) - _MAX_ITEMS),
        "remarks": [one_line(remark, MAX_LINE) for remark in notification.remarks[:_MAX_ITEMS]],
    }
    row = {"type": f"sslaudit.{notification.state}", "timestamp": format_time(notification.run.at), "data": data}
    return json.dumps(row).encode("ascii")


def _item(host: str, item: ReportItem) -> Mapping[str, Any]:
    findings = item.findings[:_MAX_FINDINGS]
    return {
        "host": one_line(host, 200),
        "state": item.state,
        "severity": item.severity.value,
        "check": one_line(item.check, 60),
        "services": [one_line(service, 60) for service in item.services[:_MAX_NAMES]],
        "endpoint": one_line(item.endpoint, MAX_LINE),
        "reason": one_line(item.reason, MAX_LINE),
        "causes": [cause.value for cause in item.causes],
        "tried": _text(item.tried),
        "happened": _text(item.happened),
        "to_do": _text(item.to_do),
        "next_attempt": format_time(item.next_try) if item.next_try else None,
        "case": one_line(item.case, 60) or None,
        "below_threshold": item.below_threshold,
        "in_part": item.is_in_part,
        "findings": [
            {"endpoint": one_line(finding.endpoint, 300), "check": one_line(finding.check, 60)} for finding in findings
        ],
        "omitted_findings": len(item.findings) - len(findings),
    }


def _text(text: str) -> str:
    return shortened("\n".join(printable_lines(text)), _MAX_TEXT)


def message_id(body: bytes) -> str:
    """Return the id of a message, which a repeat has as well."""
    return f"msg_{hashlib.sha256(body).hexdigest()[:32]}"


def signing_key(secret: str) -> bytes:
    """Return the key that a secret holds; raises ValueError, which does not repeat the secret."""
    try:
        key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except ValueError:
        key = b""
    if len(key) not in _KEY_BYTES:
        make = f"printf '{_PREFIX}%s\\n' \"$(openssl rand -base64 32)\""
        raise ValueError(f"the secret is not {_PREFIX} and the base64 of 24 to 64 random bytes; make one by: {make}")
    return key


def signed_headers(body: bytes, key: bytes, at: datetime) -> tuple[tuple[str, str], ...]:
    """Return the header fields of an attempt at that time: id, time and signature of the message."""
    identifier, time = message_id(body), int(at.timestamp())
    signature = sign(identifier, time, body, key)
    return ("webhook-id", identifier), ("webhook-timestamp", str(time)), ("webhook-signature", signature)


def sign(identifier: str, time: int, body: bytes, key: bytes) -> str:
    """Return the signature of a message that is sent at that time, in seconds since 1970."""
    digest = hmac.digest(key, f"{identifier}.{time}.".encode("ascii") + body, "sha256")
    return f"v1,{base64.b64encode(digest).decode('ascii')}"
