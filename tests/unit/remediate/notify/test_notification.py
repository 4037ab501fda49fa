"""Tests of notifications: subject, text and headers, with the worst item first and hostile text escaped."""

from __future__ import annotations

import email
import gzip
import hashlib
from collections.abc import Mapping
from email.message import EmailMessage
from email.policy import SMTP
from typing import Any, Final

import pytest

from audit.verdict import Severity
from remediate.model.case import FindingKey
from remediate.model.causes import Cause
from remediate.notify.channels.email_message import compose
from remediate.notify.notification import (
    NO_PROBLEMS,
    Attachment,
    Notification,
    ReportItem,
    should_notify,
    state_digest,
    subject,
)
from tests.support.notify.notifications import AT, RUN, item, notification, section

HOSTILE = "x\r\nBcc: victim@example.com\r\n\r\n<script>alert(1)</script> \x1b[2J\u202e & \ud800 \x00"


def composed(message: Notification, *recipients: str) -> EmailMessage:
    """Return the message as a recipient reads it."""
    raw = compose(message, "sslaudit@example.com", recipients or ("admin@example.com",)).as_bytes()
    assert max(map(len, raw.split(b"\r\n"))) <= 998, "RFC 5322 2.1.1"
    return email.message_from_bytes(raw, policy=SMTP)


def part(message: EmailMessage, kind: str) -> str:
    """Return the text or the HTML of a message."""
    body = message.get_body((kind,))
    assert body is not None
    content: str = body.get_content()
    return content


def test_subject_names_the_worst_item() -> None:
    assert subject(notification()) == (
        "web1: certificate for mail.example.com expires in 2 days; repair failed: DCV file not reachable"
    )
    mild = item(state="waiting", severity=Severity.CRITICAL, reason="expired", happened="the CA is still working")
    worse = item(severity=Severity.CRITICAL, reason="certificate for b.example.com has expired", tried="", happened="")
    several = notification(section(mild, host="a"), section(item(), worse, host="b"))
    assert subject(several) == "b: certificate for b.example.com has expired; not repaired (and 2 more)"
    assert subject(notification(section(mild), state="waiting")) == "web1: expired; waiting: the CA is still working"
    assert subject(notification(section(item(state="repaired")), state="repaired")).endswith("2 days; repaired")
    repaired = section(item(state="repaired"), item(state="repaired"), item(state="recovered"))
    assert subject(notification(repaired, state="repaired")).endswith("2 days; repaired (and 1 more)")
    assert subject(notification(section(item(state="recovered")), state="recovered")) == "web1: all problems are solved"
    assert subject(Notification("recovered", (), RUN)) == "ctl.example.com: all problems are solved"


def item_about(*names: str, **differing: Any) -> ReportItem:  # noqa: ANN401 - the fields of an item
    """Return an item with a finding at each of these names."""
    return item(findings=tuple(FindingKey(f"web1/https://{name}:443", "cert.expired") for name in names), **differing)


MIXED: Final[Mapping[str, tuple[tuple[ReportItem, ...], str]]] = {
    "a name of each": (
        (item_about("mail.example.org"), item_about("www.example.org", state="repaired")),
        "; repair failed: DCV file not reachable; failed mail.example.org; repaired www.example.org",
    ),
    "several names": (
        (
            item_about("mail.example.org", "imap.example.org"),
            item_about("pop.example.org", "mail.example.org"),
            item_about("www.example.org", "www2.example.org", state="repaired"),
        ),
        "; failed mail.example.org and 2 more; repaired www.example.org and 1 more",
    ),
    "waiting": (
        (item_about("a.example.org", state="waiting"), item_about("b.example.org", state="repaired")),
        "; waiting: DCV file not reachable; waiting a.example.org; repaired b.example.org",
    ),
    "the host itself": (
        (item(findings=(FindingKey("web1/", "host.clock"),)), item(state="repaired")),
        "; failed web1; repaired web1",
    ),
    "not an endpoint": (
        (item(findings=(FindingKey(HOSTILE, "x"),)), item_about("b.example.org", state="repaired")),
        "; failed web1; repaired b.example.org",
    ),
    "long": (
        (item_about(f"{'x' * 300}.org", "b.example.org", happened="y" * 200), item_about("z" * 99, state="repaired")),
        f"…; failed {'x' * 39}… and 1 more; repaired {'z' * 39}…",
    ),
    "below the threshold": (
        (item_about("a.example.org", below_threshold=True), item_about("b.example.org", state="repaired")),
        "; repaired",
    ),
}


@pytest.mark.parametrize(("items", "end"), MIXED.values(), ids=MIXED)
def test_subject_names_what_was_repaired_and_what_was_not(items: tuple[ReportItem, ...], end: str) -> None:
    line = subject(notification(section(*items)))
    assert line.endswith(end)
    assert len(line) <= 180


def test_local_host_is_shown_by_its_name() -> None:
    local = notification(section(host="local"))
    assert subject(local).startswith("ctl.example.com: certificate for mail.example.com expires")
    assert all("ctl.example.com: 1 failed" in part(composed(local), kind) for kind in ("plain", "html"))
    assert local.digest == state_digest(local.sections), "the state of a host is kept under its label"


def test_header_has_recipients_date_and_auto_submitted() -> None:
    message = composed(notification(), "admin@example.com", "root")
    assert message["To"] == "admin@example.com, root"
    assert message["From"] == "sslaudit@example.com"
    assert message["Date"].datetime == AT
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["X-Sslaudit-State"] == f"failed {notification().digest}"


def test_message_id_depends_on_notification_and_recipients() -> None:
    ids = [composed(notification())["Message-ID"], composed(notification())["Message-ID"]]
    assert ids[0] == ids[1]
    assert ids[0].endswith("@ctl.example.com>")
    assert composed(notification(), "other@example.com")["Message-ID"] != ids[0]
    assert composed(notification(section(host="web2")))["Message-ID"] != ids[0]


def test_names_of_hosts_add_no_header_and_no_recipient() -> None:
    hostile = item(
        services=(HOSTILE,), endpoint=HOSTILE, check=HOSTILE, reason=HOSTILE, happened=HOSTILE, to_do=HOSTILE
    )
    message = composed(notification(section(hostile, host=HOSTILE)))
    assert "Bcc" not in message
    assert message["To"] == "admin@example.com"
    assert len(message["Subject"]) <= 200
    assert message["Subject"].isprintable()


def test_long_lines_are_wrapped_but_not_within_a_command() -> None:
    url = f"https://store.example.com/{'x' * 200}"
    text = part(composed(notification(section(item(to_do=f"{'open port 80 ' * 20}{url}")))), "plain")
    assert url in text
    assert all(len(line) <= 76 or url in line for line in text.splitlines())


def test_flood_of_text_and_items_is_cut() -> None:
    flood = [item(reason="y" * 100_000, endpoint=f"web1/https://h{number}:443") for number in range(500)]
    message = composed(notification(section(*flood)))
    assert len(message.as_bytes()) < 500_000
    assert "450 more items of web1 are in the results file." in part(message, "plain")


def test_results_are_attached() -> None:
    results = b'{"kind":"run"}\n'
    (file,) = composed(notification(attachments=(Attachment("results.jsonl", results),))).iter_attachments()
    assert (file.get_filename(), file.get_content()) == ("results.jsonl", results)


def test_long_attachment_is_compressed() -> None:
    results = b'{"kind":"result"}\n' * 50_000
    (file,) = composed(notification(attachments=(Attachment("results.jsonl", results),))).iter_attachments()
    assert file.get_filename() == "results.jsonl.gz"
    assert gzip.decompress(file.get_content()) == results


def test_huge_attachment_is_named_and_file_names_have_no_slash() -> None:
    noise = Attachment("results.jsonl", hashlib.shake_256().digest(3_000_000))
    message = composed(notification(attachments=(noise, Attachment("a/../b", b"small"))))
    assert [file.get_filename() for file in message.iter_attachments()] == ["a_.._b"]
    assert "Too long to be attached: results.jsonl." in part(message, "plain")


@pytest.mark.parametrize(
    "address", ["", "-oQ/tmp", "a@b\r\nBcc: c@d", "|/bin/sh", "/var/mail/x", "a b@c", "ä@example.com"]
)
def test_invalid_address_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match="is not a mail address"):
        compose(notification(), "sslaudit@example.com", [address])
    with pytest.raises(ValueError, match="is not a mail address"):
        compose(notification(), address, ["admin@example.com"])


def test_repair_in_part_is_notified_as_a_problem() -> None:
    sections = [section(item(state="repaired", is_in_part=True))]
    assert should_notify(sections, None) == "failed"
    assert subject(notification(*sections)).endswith("2 days; repaired in part")


def test_digest_ignores_wording_order_and_grouping() -> None:
    reworded = item(reason="certificate for mail.example.com expires in 1 day", next_try=None, happened="HTTP 403")
    assert state_digest([section(reworded)]) == state_digest([section()])
    assert state_digest([section(), section(host="web2")]) == state_digest([section(host="web2"), section()])


@pytest.mark.parametrize(
    "other",
    [
        item(causes=(Cause.ISSUER_REFUSED,)),
        item(check="cert.expired"),
        item(state="waiting"),
        item(endpoint="web1/pop3s://mail.example.com:995"),
    ],
    ids=["cause", "check", "state", "endpoint"],
)
def test_digest_changes_with_the_problem(other: ReportItem) -> None:
    assert state_digest([section(other)]) != state_digest([section()])


def test_failure_and_recovery_are_each_notified_once() -> None:
    failed, recovered = [section()], [section(item(state="recovered"))]
    assert should_notify(failed, None) == "failed"
    assert should_notify(failed, state_digest(failed)) is None
    assert should_notify(recovered, state_digest(failed)) == "recovered"
    assert should_notify([], state_digest(failed)) == "recovered"
    assert should_notify(recovered, NO_PROBLEMS) is None
    assert should_notify([], None) is None


def test_each_repair_is_notified_and_the_worst_item_is_the_state() -> None:
    repaired = section(item(state="repaired"))
    assert should_notify([repaired], None) == "repaired"
    assert should_notify([repaired], NO_PROBLEMS) == "repaired"
    assert should_notify([repaired, section(host="web2")], state_digest([section(host="web2")])) == "failed"


def test_known_problem_is_not_notified_again_after_another_repair() -> None:
    first = [section(item(state="repaired")), section(host="web2")]
    assert should_notify([section(host="web2")], state_digest(first)) is None


def test_waiting_order_is_notified_once_until_it_fails() -> None:
    waiting = [section(item(state="waiting", causes=(Cause.ISSUER_PENDING,)))]
    assert should_notify(waiting, NO_PROBLEMS) == "waiting"
    assert should_notify(waiting, state_digest(waiting)) is None
    assert should_notify([section()], state_digest(waiting)) == "failed"


def test_each_hop_of_a_self_test_has_its_own_line() -> None:
    found = "mail.example.com at 192.0.2.7: redirected: no redirect is followed"
    hops = [f"  http://mail.example.com/{number}: 302\x1b[2J" for number in range(40)]
    message = composed(notification(section(item(happened="\n".join((found, *hops)), causes=(Cause.DCV_REDIRECTED,)))))
    text, html = part(message, "plain"), part(message, "html")
    assert f"{found} [dcv.redirected]" in " ".join(text.split())
    assert "               - http://mail.example.com/0: 302\N{REPLACEMENT CHARACTER}[2J\n" in text.replace("\r\n", "\n")
    assert "… and 21 more lines" in text
    assert f"{found} [dcv.redirected]<br>http://mail.example.com/0: 302\N{REPLACEMENT CHARACTER}[2J<br>" in html
    assert str(message["Subject"]).endswith(f"repair failed: {found}")
