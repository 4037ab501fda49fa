"""What a letter to the administrator says: hosts, what is wrong on each, what was tried, and what to do now.

It knows mail's form (RFC 5322, MIME, RFC 3834); it refuses to know how a letter is handed over, and to hold a secret.
Everything a host or a CA said in it is taken for hostile.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from typing import Final

from audit.host.cpanel import is_address
from audit.redaction import Secrets
from audit.text import listing
from remediate.model.case import FindingKey
from remediate.model.text import plain, plain_lines
from remediate.notify.channels.email_body import as_remark, email_body
from remediate.notify.notification import WORST_FIRST, ReportItem, Run, Section, State, is_wrong, worst_first
from remediate.pki.secret_scan import find_secret

__all__ = [
    "Attachment",
    "HoldsSecret",
    "Letter",
    "ReportItem",
    "Run",
    "Section",
    "State",
    "compose",
    "should_notify",
    "state_digest",
]

_MOST_ATTACHED: Final = 2_000_000  # bytes; relays refuse letters of ten million, and base64 adds a third
_MOST_PLAIN: Final = 200_000  # bytes; what is longer is compressed
_HERE: Final = "local"  # the label of `local://`, which tells who reads letters of many servers nothing
_SUBJECT: Final = 180  # characters; more is shown nowhere


class HoldsSecret(ValueError):
    """A letter that was not written because it would have held a secret; says where and of which kind, never which."""


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that goes with a letter, such as the results of the audit."""

    name: str
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Letter:
    """What is told: the state of things as a whole, one section a host, the run it comes from, and files.

    `remarks` are lines about the letter itself, such as the contacts of a host that it was not sent to.
    """

    state: State
    sections: tuple[Section, ...]
    run: Run
    attachments: tuple[Attachment, ...] = ()
    remarks: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """What is wrong, in a word that is the same as long as it is."""
        return state_digest(self.sections)

    @property
    def shown(self) -> tuple[Section, ...]:
        """The sections as a reader knows the hosts: the one that the run was on by its name."""
        here = self.run.controller
        return tuple(replace(one, host=here) if one.host == _HERE else one for one in self.sections)


def state_digest(sections: Iterable[Section]) -> str:
    """Return a digest of what is wrong: hosts, endpoints, checks and causes; not of times, texts or what is well.

    How findings are put together into entries makes no difference.
    """
    wrong = {
        (section.host, what, entry.state, entry.cause)
        for section in sections
        for entry in section.entries
        if is_wrong(entry)
        for what in _named(entry)
    }
    return hashlib.sha256(json.dumps(sorted(wrong)).encode()).hexdigest()[:32]


def _named(entry: ReportItem) -> Iterator[str]:
    """Yield each finding of an entry as the digest names it."""
    for finding in entry.findings or (FindingKey(entry.endpoint, entry.check),):
        yield f"{finding.endpoint} {finding.check}"


WELL: Final = state_digest(())
"""The digest where nothing is wrong."""


def should_notify(sections: Sequence[Section], told: str | None) -> State | None:
    """Return the state of things as a whole where it is to be told, None where that was done or nothing is to tell.

    `told` is the digest that the administrator knows of: the last that was handed over or waits to be, WELL after a
    run that had nothing wrong; None where there is none.
    """
    states = {entry.state for section in sections for entry in section.entries if not entry.is_minor}
    digest = state_digest(sections)
    if "repaired" not in states and digest == (told or WELL):
        return None
    return next((state for state in WORST_FIRST if state in states), "recovered")


def compose(letter: Letter, sender: str, recipients: Sequence[str], *, secrets: Secrets | None = None) -> EmailMessage:
    """Return the letter as a message; raises HoldsSecret, and ValueError for an address that is none.

    The same letter gives the same Message-ID, by which a reader's program knows one that came twice.
    """
    message = EmailMessage(SMTP)
    message["From"] = _address(sender)
    message["To"] = [_address(recipient) for recipient in recipients]
    message["Subject"] = subject(letter)
    message["Date"] = letter.run.at.astimezone(UTC)
    message["Message-ID"] = _message_id(letter, recipients)
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834 5: nobody's vacation answers it
    message["X-Sslaudit-State"] = f"{letter.state} {letter.digest}"
    files, left_out = _attached(letter.attachments)
    too_long = f"Too long to be attached: {listing([plain(name, 100) for name in left_out])}."
    remarks = [*map(as_remark, letter.remarks), *([too_long] if left_out else [])]
    body = email_body(letter.shown, letter.state, letter.run, remarks)
    text, html = body.as_text(), body.as_html()
    _require_no_secret(letter, text, secrets or Secrets())
    message.set_content(text, cte="quoted-printable")
    message.add_alternative(html, subtype="html", cte="quoted-printable")
    for file in files:
        kind = "gzip" if file.name.endswith(".gz") else "octet-stream"
        message.add_attachment(file.content, "application", kind, filename=plain(file.name, 100).replace("/", "_"))
    return message


def subject(letter: Letter) -> str:
    """Return the worst of it in one line, and how much more there is."""
    ranked = worst_first(letter.shown)
    if letter.state == "recovered" or not ranked:
        hosts = [plain(section.host, 60) for section in letter.shown] or [plain(letter.run.controller, 60)]
        return f"{', '.join(hosts[:3])}{' and more' if len(hosts) > 3 else ''}: all is well again"
    section, entry = ranked[0]
    alike = sum(is_wrong(each) for _, each in ranked) or sum(each.state == entry.state for _, each in ranked)
    more = f" (and {alike - 1} more)" if alike > 1 else ""
    said = f"{plain(section.host, 60)}: {plain(entry.reason, 110)}; {_came_to(entry)}"
    if entry.is_down:
        said = f"SERVICE DOWN: {plain(section.host, 60)}: {plain(entry.service, 60)}: {_came_to(entry)}"
    return plain(said, _SUBJECT - len(more)) + more


def _came_to(entry: ReportItem) -> str:
    first, *_ = [*plain_lines(entry.happened), ""]
    happened = f": {first}" if first else ""
    match entry.state:
        case "failed":
            return plain(f"{'repair failed' if entry.tried else 'not repaired'}{happened}", 110)
        case "waiting":
            return plain(f"waiting{happened}", 110)
        case "repaired":
            return "repaired"
        case "recovered":
            return "well again"


def _address(text: str) -> Address:
    if not is_address(text):
        raise ValueError(f"{text!r} is no address to write to: user@domain in ASCII, or a local user")
    user, _, domain = text.rpartition("@") if "@" in text else (text, "", "")
    return Address(username=user, domain=domain)


def _message_id(letter: Letter, recipients: Sequence[str]) -> str:
    what = json.dumps([letter.state, letter.digest, sorted(recipients), [section.host for section in letter.sections]])
    host = re.sub(r"[^A-Za-z0-9.-]", "-", letter.run.controller)[:200].strip(".")
    return f"<{letter.run.at.astimezone(UTC):%Y%m%dT%H%M%S}.{hashlib.sha256(what.encode()).hexdigest()[:24]}@{host}>"


def _attached(files: tuple[Attachment, ...]) -> tuple[list[Attachment], list[str]]:
    """Return the files to send, long ones compressed, and the names of those that are too long even so."""
    sent: list[Attachment] = []
    left_out: list[str] = []
    room = _MOST_ATTACHED
    for file in files:
        if len(file.content) > _MOST_PLAIN:
            file = Attachment(f"{file.name}.gz", gzip.compress(file.content, mtime=0))  # noqa: PLW2901 - the same, shorter
        if len(file.content) > room:
            left_out.append(file.name.removesuffix(".gz"))
        else:
            room -= len(file.content)
            sent.append(file)
    return sent, left_out


def _require_no_secret(letter: Letter, text: str, secrets: Secrets) -> None:
    """Raise HoldsSecret where what we are about to write holds one."""
    places = {"the letter": f"{subject(letter)}\n{text}".encode()}
    places |= {plain(file.name, 100): file.content for file in letter.attachments}
    for place, content in places.items():
        if found := find_secret(content, secrets):
            raise HoldsSecret(f"not written: there is {found} in {place}")
