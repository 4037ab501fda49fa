"""`[mail]` decides over which channel notifications are sent, and without it none is sent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from audit.config import BadConfiguration, ConfigSection, Configuration
from remediate.notify.channels import read_mail
from remediate.notify.channels.base import Deferred, Delivered, Envelope, MailSystem
from remediate.notify.channels.sendmail import Sendmail
from tests.support.notify.smtp_sink import PASSWORD, USER, serving
from tests.support.x509.server_tls import server_tls

MESSAGE = Envelope("sslaudit@example.com", ("admin@example.com",), b"Subject: x\r\n\r\nwell\r\n")


def mail(**table: object) -> ConfigSection:
    """Return the section `[mail]` with these keys."""
    return ConfigSection(Configuration(), "mail", table)


def channel(**table: object) -> MailSystem:
    """Return the channel that `[mail]` with these keys opens."""
    section = mail(**table)
    read = read_mail(section)
    assert read
    return read.open(section)


def test_without_mail_there_is_no_mail_system() -> None:
    assert read_mail(mail()) is None
    assert read_mail(mail(to=[])) is None


@pytest.mark.parametrize("table", [{"to": ["admin@example.com"]}, {"smtp": "sendmail"}])
def test_local_mail_system_is_the_default(table: dict[str, Any]) -> None:
    assert channel(**table) == Sendmail()


def test_email_goes_to_the_configured_server_with_ca_file_and_login(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SMTP_PASSWORD", PASSWORD)
    server = server_tls(tmp_path, "localhost")
    with serving(starttls=server.context, login=True) as sink:
        login = {"user": USER, "password": {"env": "SMTP_PASSWORD"}}
        smtp = channel(smtp=f"smtps://localhost:{sink.port}", ca_file=server.ca_file, **login)
        outcome = smtp.send(MESSAGE, lambda: None)["admin@example.com"]
        assert isinstance(outcome, Deferred), "the server does not offer implicit TLS there"
    with serving(tls=server.context) as sink:
        known = channel(smtp=f"smtps://localhost:{sink.port}", ca_file=server.ca_file)
        assert isinstance(known.send(MESSAGE, lambda: None)["admin@example.com"], Delivered)
        outcome = channel(smtp=f"smtps://localhost:{sink.port}").send(MESSAGE, lambda: None)["admin@example.com"]
    assert isinstance(outcome, Deferred)
    assert "not trusted" in outcome.reason
    assert len(sink.taken) == 1


@pytest.mark.parametrize(
    "table",
    [{"smtp": "relay.example.com"}, {"smtp": "smtp://u:hunter2@relay.example.com"}, {"user": "u", "smtp": "smtp://r"}],
)
def test_unusable_server_is_refused_in_the_configuration(table: dict[str, Any]) -> None:
    with pytest.raises(BadConfiguration, match=r"\[mail\]: ") as refused:
        channel(**table)
    assert "hunter2" not in str(refused.value)
