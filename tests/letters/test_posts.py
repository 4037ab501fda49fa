"""What `[mail]` says decides how letters are handed over, and without it nobody is written to."""

from __future__ import annotations

from pathlib import Path

import pytest

from audit.config.schema import Mail
from remediate.notify.channels import is_asked, posts_of
from remediate.notify.channels.base import Deferred, Delivered, Envelope
from remediate.notify.channels.sendmail import Sendmail
from remediate.notify.channels.smtp import BadRelay, Smtp
from tests.letters.sink import PASSWORD, USER, certify, serving

LETTER = Envelope("sslaudit@example.com", ("admin@example.com",), b"Subject: x\r\n\r\nwell\r\n")


def test_without_mail_nobody_is_written_to() -> None:
    assert not is_asked(Mail())
    assert posts_of(Mail(), None) == ()


@pytest.mark.parametrize("mail", [Mail(to=("admin@example.com",)), Mail(smtp="sendmail")])
def test_where_no_server_is_named_the_local_mail_system_is_the_way(mail: Mail) -> None:
    assert posts_of(mail, None) == (Sendmail(),)


@pytest.mark.parametrize(
    ("url", "security", "port"),
    [
        ("smtp://relay.example.com:587", "starttls", 587),
        ("smtps://relay.example.com", "tls", 465),
        ("smtp://localhost:2525", "plain", 2525),
    ],
)
def test_a_named_server_is_the_only_way(url: str, security: str, port: int) -> None:
    (post,) = posts_of(Mail(smtp=url), None)
    assert isinstance(post, Smtp)
    assert (post.relay.security, post.relay.port) == (security, port)


def test_a_letter_goes_to_the_configured_server_with_its_anchor_and_login(tmp_path: Path) -> None:
    certified = certify(tmp_path, "localhost")
    with serving(starttls=certified.context, login=True) as sink:
        (smtp,) = posts_of(
            Mail(smtp=f"smtps://localhost:{sink.port}", user=USER, ca_file=certified.ca_file), lambda: PASSWORD
        )
        said = smtp.send(LETTER, lambda: None)["admin@example.com"]
        assert isinstance(said, Deferred), "TLS from the start is not spoken there"
    with serving(tls=certified.context) as sink:
        mail = Mail(smtp=f"smtps://localhost:{sink.port}", ca_file=certified.ca_file)
        assert isinstance(posts_of(mail, None)[0].send(LETTER, lambda: None)["admin@example.com"], Delivered)
        stranger = Mail(smtp=f"smtps://localhost:{sink.port}")
        said = posts_of(stranger, None)[0].send(LETTER, lambda: None)["admin@example.com"]
    assert isinstance(said, Deferred)
    assert "not trusted" in said.reason
    assert len(sink.taken) == 1


@pytest.mark.parametrize(
    "mail",
    [Mail(smtp="relay.example.com"), Mail(smtp="smtp://u:hunter2@relay.example.com"), Mail(user="u", smtp="smtp://r")],
)
def test_a_server_that_cannot_be_used_as_written_is_refused_before_anything_is_sent(mail: Mail) -> None:
    with pytest.raises(BadRelay) as refused:
        posts_of(mail, None)
    assert "hunter2" not in str(refused.value)
