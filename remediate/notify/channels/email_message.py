"""Composes the email of a notification: headers (RFC 5322), two bodies (MIME) and attachments.

Everything that a host or a CA wrote is hostile. A message that holds a secret is refused.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from collections.abc import Sequence
from datetime import UTC
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from typing import Final

from audit.host.cpanel import is_address
from audit.redaction import Secrets
from audit.text import join_limited, one_line
from remediate.notify.channels.base import HoldsSecret
from remediate.notify.channels.email_body import as_remark, email_body
from remediate.notify.notification import Attachment, Notification, subject
from remediate.pki.secret_scan import find_secret

_MAX_ATTACHED: Final = 2_000_000  # bytes; mail servers refuse messages of ten million, and base64 adds a third
_MAX_UNCOMPRESSED: Final = 200_000  # bytes; longer files are compressed


def compose(
    notification: Notification, sender: str, recipients: Sequence[str], *, secrets: Secrets | None = None
) -> EmailMessage:
    """Return the notification as a message; raises HoldsSecret, and ValueError for an unusable address.

    The same notification gives the same Message-ID, so that mail programs recognize a duplicate.
    """
    message = EmailMessage(SMTP)
    message["From"] = _address(sender)
    message["To"] = [_address(recipient) for recipient in recipients]
    message["Subject"] = subject(notification)
    message["Date"] = notification.run.at.astimezone(UTC)
    message["Message-ID"] = _message_id(notification, recipients)
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834 5: no vacation responder replies to it
    message["X-Sslaudit-State"] = f"{notification.state} {notification.digest}"
    files, dropped = _attached(notification.attachments)
    too_long = f"Too long to be attached: {join_limited([one_line(name, 100) for name in dropped])}."
    remarks = [*map(as_remark, notification.remarks), *([too_long] if dropped else [])]
    body = email_body(notification.named_sections, notification.state, notification.run, remarks)
    text = body.as_text()
    _require_no_secret(notification, text, secrets or Secrets())
    message.set_content(text, cte="quoted-printable")
    message.add_alternative(body.as_html(), subtype="html", cte="quoted-printable")
    for file in files:
        kind = "gzip" if file.name.endswith(".gz") else "octet-stream"
        message.add_attachment(file.content, "application", kind, filename=one_line(file.name, 100).replace("/", "_"))
    return message


def _address(text: str) -> Address:
    if not is_address(text):
        raise ValueError(f"{text!r} is not a mail address; write user@domain in ASCII, or a local user")
    user, _, domain = text.rpartition("@") if "@" in text else (text, "", "")
    return Address(username=user, domain=domain)


def _message_id(notification: Notification, recipients: Sequence[str]) -> str:
    run, hosts = notification.run, [section.host for section in notification.sections]
    content = json.dumps([notification.state, notification.digest, sorted(recipients), hosts])
    host = re.sub(r"[^A-Za-z0-9.-]", "-", run.controller)[:200].strip(".")
    return f"<{run.at.astimezone(UTC):%Y%m%dT%H%M%S}.{hashlib.sha256(content.encode()).hexdigest()[:24]}@{host}>"


def _attached(files: tuple[Attachment, ...]) -> tuple[list[Attachment], list[str]]:
    """Return the files to send, long ones compressed, and the names of those that are too long even compressed."""
    attached: list[Attachment] = []
    dropped: list[str] = []
    room = _MAX_ATTACHED
    for file in files:
        if len(file.content) > _MAX_UNCOMPRESSED:
            file = Attachment(f"{file.name}.gz", gzip.compress(file.content, mtime=0))  # noqa: PLW2901 - the same, shorter
        if len(file.content) > room:
            dropped.append(file.name.removesuffix(".gz"))
        else:
            room -= len(file.content)
            attached.append(file)
    return attached, dropped


def _require_no_secret(notification: Notification, text: str, secrets: Secrets) -> None:
    """Raise HoldsSecret if the subject, the body or an attachment holds a secret."""
    places = {"the message": f"{subject(notification)}\n{text}".encode()}
    places |= {one_line(file.name, 100): file.content for file in notification.attachments}
    for place, content in places.items():
        if secret := find_secret(content, secrets):
            raise HoldsSecret(f"not sent: {secret} is in {place}")
