"""A message reaches its recipient through a real exim: by its sendmail, and by its submission port with a login."""

from __future__ import annotations

import email
import json
import re
import sys
from collections.abc import Iterator
from email.message import EmailMessage
from email.policy import SMTP
from typing import Final

import pytest

from remediate.notify.channels.email_message import compose
from remediate.notify.notification import Attachment
from tests.support.checkout import CHECKOUT
from tests.support.hosts import exim_relay
from tests.support.hosts.host import Host, HostFile, running_host
from tests.support.hosts.openssl_client import wait_until
from tests.support.hosts.pki import Authority
from tests.support.notify.notifications import item, notification, section

pytestmark = [pytest.mark.system, pytest.mark.usefixtures("overlays")]

NAME: Final = "ctl.example.test"
SENDER: Final = "sslaudit@example.com"
READER: Final = "admin@example.com"
PASSWORD: Final = "pass w0rd"
RULES: Final = """  deny local_parts = gone
    message = no such user
  defer local_parts = grey
    message = come back later
"""


@pytest.fixture(scope="module")
def host(overlays: None, authority: Authority) -> Iterator[Host]:  # noqa: ARG001 - asked for to skip before it starts
    configuration = exim_relay.relay(NAME, PASSWORD, files="/etc/ssl/exim", ports="25 : 587", rules=RULES)
    with running_host("controller", NAME) as running:
        running.write(
            HostFile(exim_relay.FILE, configuration),
            *authority.issue(NAME).at("/etc/ssl/exim", group="Debian-exim", mode=0o640),
            HostFile("/etc/ssl/lab.pem", authority.anchor),
        )
        running.shell(
            f"cd {CHECKOUT}; {sys.executable} -m tests.support.notify.smtp_sink 10026 /var/mailbox > /dev/null 2>&1 &"
        )
        running.shell("exim4 -bd -q1m")
        running.wait_for(25, 587, 10026)
        yield running


def post(host: Host, way: str, raw: bytes, *recipients: str, **environment: str) -> dict[str, list[str]]:
    """Send a message on the host; return the kind of outcome and its text for each recipient."""
    given = [f"{name}={value}" for name, value in environment.items()]
    program = f'cd {CHECKOUT} && exec {sys.executable} -W error -m tests.support.hosts.send_message "$@"'
    outcomes: dict[str, list[str]] = json.loads(
        host.do("env", *given, "sh", "-c", program, "sh", way, SENDER, *recipients, stdin=raw)
    )
    return outcomes


def arrived(host: Host, raw: bytes) -> EmailMessage:
    """Wait for the message in the mailbox; return it as it came."""
    wanted = email.message_from_bytes(raw, policy=SMTP)["Message-ID"]

    def files() -> list[str]:
        return host.shell(f"grep -lF '{wanted}' /var/mailbox/*.eml || true").split()

    assert wait_until(lambda: bool(files())), host.shell("cat /var/log/exim4/mainlog")
    (file,) = files()
    return email.message_from_bytes(host.read(file).encode(), policy=SMTP)


def written(*recipients: str, service: str) -> bytes:
    """Return a message with results attached; another finding or service makes it another message."""
    result = notification(
        section(item(services=(service,), check=f"test.{service.replace(' ', '-')}")),
        attachments=(Attachment("results.jsonl", b"{}\n"),),
    )
    return compose(result, SENDER, recipients).as_bytes()


def test_message_sent_by_the_local_sendmail_is_delivered_unchanged(host: Host) -> None:
    raw = written(READER, "second@example.com", service="by sendmail")
    outcomes = post(host, "sendmail", raw, READER, "second@example.com")
    assert {kind for kind, _ in outcomes.values()} == {"Delivered"}
    message = arrived(host, raw)
    assert (message["X-Sender"], message["X-Recipients"]) == (SENDER, f"{READER},second@example.com")
    assert message["Subject"].startswith("web1: certificate for mail.example.com expires in 2 days; repair failed")
    body, (file,) = message.get_body(("plain",)), message.iter_attachments()
    assert body is not None
    assert re.search(r"What to do: +open port 80 of 192\.0\.2\.7", body.get_content())
    assert file.get_content() == b"{}\n"


def login(**differing: str) -> dict[str, str]:
    """Return the environment of a login that is right, but for what differs."""
    return {"CA_FILE": "/etc/ssl/lab.pem", "SMTP_USER": "sslaudit", "SMTP_PASSWORD": PASSWORD} | differing


def test_message_is_sent_to_a_smarthost_with_starttls_and_login(host: Host) -> None:
    raw = written(READER, service="by submission")
    outcomes = post(host, f"smtp://{NAME}", raw, READER, **login())
    assert outcomes[READER][0] == "Delivered"
    assert f"{NAME} responded 250 OK id=" in outcomes[READER][1]
    assert "with esmtpsa" in str(arrived(host, raw)["Received"])


def test_result_of_each_recipient_has_the_reply_of_the_smarthost(host: Host) -> None:
    raw = written(READER, service="to three")
    outcomes = post(host, f"smtp://{NAME}", raw, READER, "gone@example.com", "grey@example.com", **login())
    assert outcomes[READER][0] == "Delivered"
    assert outcomes["gone@example.com"] == ["Refused", f"{NAME} responded 550 no such user"]
    assert outcomes["grey@example.com"] == ["Deferred", f"{NAME} responded 451 come back later"]
    assert arrived(host, raw)["X-Recipients"] == READER


@pytest.mark.parametrize(
    ("differing", "reason"),
    [
        ({"SMTP_PASSWORD": "wrong one"}, "responded 535 Incorrect authentication data"),
        ({"CA_FILE": "/etc/ssl/certs/ca-certificates.crt"}, "its certificate is not trusted"),
    ],
    ids=["login", "certificate"],
)
def test_wrong_login_or_certificate_defers_the_message(differing: dict[str, str], reason: str, host: Host) -> None:
    raw = written(READER, service="never")
    kind, result = post(host, f"smtp://{NAME}", raw, READER, **login(**differing))[READER]
    assert kind == "Deferred"
    assert reason in result
    assert "wrong one" not in result


def test_mail_program_that_cannot_start_defers_the_message(host: Host) -> None:
    host.shell("cp /etc/exim4/exim4.conf /root/; echo nonsense > /etc/exim4/exim4.conf")
    try:
        kind, result = post(host, "sendmail", written(READER, service="broken"), READER)[READER]
    finally:
        host.shell("cp /root/exim4.conf /etc/exim4/exim4.conf")
    assert kind == "Deferred"
    assert "xim configuration error" in result
