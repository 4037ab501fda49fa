"""Sends the message on standard input from the host that it runs on, and prints the outcome.

`python -m tests.support.hosts.send_message sendmail SENDER RECIPIENT…`, or an smtp:// URL with CA file, user and
password in the environment (`CA_FILE`, `SMTP_USER`, `SMTP_PASSWORD`).
"""

from __future__ import annotations

import json
import os
import sys

from remediate.notify.channels.base import Envelope, MailSystem
from remediate.notify.channels.sendmail import Sendmail
from remediate.notify.channels.smtp import Smtp, parse_smtp_url


def _channel(way: str) -> MailSystem:
    if way == "sendmail":
        return Sendmail()
    user, password = os.environ.get("SMTP_USER"), os.environ.get("SMTP_PASSWORD")
    server = parse_smtp_url(
        way, user=user, password=None if password is None else lambda: password, ca_file=os.environ.get("CA_FILE")
    )
    return Smtp(server)


def main(way: str, sender: str, *recipients: str) -> None:
    """Print an object: for each recipient the kind of outcome and its text."""
    outcomes = _channel(way).send(Envelope(sender, recipients, sys.stdin.buffer.read()), lambda: None)
    rows = {
        who: [type(what).__name__, getattr(what, "reason", getattr(what, "response", ""))]
        for who, what in outcomes.items()
    }
    sys.stdout.write(json.dumps(rows))


if __name__ == "__main__":
    main(*sys.argv[1:])
