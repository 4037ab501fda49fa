"""A message goes to a mail server over verified TLS, and the server's responses decide the outcome."""

from __future__ import annotations

import re
import socket
import time
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from remediate.notify.channels.base import Deferred, Delivered, DeliveryOutcome, Envelope, Refused, Uncertain
from remediate.notify.channels.email_message import compose
from remediate.notify.channels.smtp import BadSmtpServer, Security, Smtp, SmtpServer, SmtpTimeouts, parse_smtp_url
from tests.support.http.scripted_server import Say, silent
from tests.support.notify.notifications import notification
from tests.support.notify.smtp_sink import PASSWORD, USER, answering, misbehaving, serving
from tests.support.probe.tls_servers import closed_port
from tests.support.x509.server_tls import ServerTls, server_tls

HASTY = SmtpTimeouts(connect=2, response=0.3, content=0.5, delivery=0.4)
PATIENT = SmtpTimeouts(connect=20, response=20, content=20, delivery=20)
TO = "admin@example.com"
LOGIN = {"user": USER, "password": lambda: PASSWORD}


@pytest.fixture(scope="module")
def certified(tmp_path_factory: pytest.TempPathFactory) -> ServerTls:
    return server_tls(tmp_path_factory.mktemp("tls"), "localhost", "127.0.0.1")


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> ServerTls:
    return server_tls(tmp_path_factory.mktemp("other"), "other.example.com")


def envelope(*recipients: str) -> Envelope:
    to = recipients or (TO,)
    return Envelope("sslaudit@example.com", to, compose(notification(), "sslaudit@example.com", to).as_bytes())


def smtp(port: int, security: Security = "plain", **differing: Any) -> Smtp:  # noqa: ANN401 - the fields of a server
    return Smtp(SmtpServer("localhost", port, security, **({"timeouts": PATIENT} | differing)))


@pytest.fixture
def commit() -> Mock:
    """Return what is called before a message may be accepted."""
    return Mock()


def test_message_arrives_whole_with_leading_dots(commit: Mock) -> None:
    sent = Envelope("a@example.com", (TO, "root"), b"Subject: x\r\n\r\n.one\n..two\r.three\r\n.\r\nend")
    with serving() as sink:
        outcomes = smtp(sink.port).send(sent, commit)
    assert outcomes == dict.fromkeys((TO, "root"), Delivered("localhost responded 250 OK queued as 4711"))
    assert sink.taken == [("a@example.com", (TO, "root"), b"Subject: x\r\n\r\n.one\r\n..two\r\n.three\r\n.\r\nend\r\n")]
    assert commit.call_count == 1


@pytest.mark.parametrize("exclude", [(), ("PLAIN",)])
def test_login_follows_starttls(certified: ServerTls, commit: Mock, exclude: tuple[str, ...]) -> None:
    with serving(starttls=certified.context, login=True, exclude=exclude) as sink:
        channel = smtp(sink.port, "starttls", ca_file=certified.ca_file, **LOGIN)
        assert isinstance(channel.send(envelope(), commit)[TO], Delivered)
    assert (sink.was_secure, sink.logins) == ([True], [True])


def test_message_is_delivered_over_implicit_tls(certified: ServerTls, commit: Mock) -> None:
    with serving(tls=certified.context) as sink:
        assert isinstance(smtp(sink.port, "tls", ca_file=certified.ca_file).send(envelope(), commit)[TO], Delivered)


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_server_with_another_certificate_gets_nothing(
    security: Security, certified: ServerTls, other: ServerTls, commit: Mock
) -> None:
    for context, ca_file in ((other.context, other.ca_file), (other.context, certified.ca_file)):
        options: dict[str, Any] = {"starttls": context, "login": True} if security == "starttls" else {"tls": context}
        with serving(**options) as sink:
            channel = smtp(sink.port, security, ca_file=ca_file, **LOGIN)
            outcome = channel.send(envelope(), commit)[TO]
        assert isinstance(outcome, Deferred)
        assert "its certificate is not trusted" in outcome.reason
        assert (sink.taken, sink.logins, commit.call_count) == ([], [], 0)


def test_server_without_starttls_gets_nothing(commit: Mock) -> None:
    with serving() as sink:
        outcome = smtp(sink.port, "starttls", **LOGIN).send(envelope(), commit)[TO]
    assert outcome == Deferred("localhost offers no STARTTLS; mail is never sent unencrypted")
    assert sink.taken == []


def test_wrong_login_is_deferred_without_showing_the_password(certified: ServerTls, commit: Mock) -> None:
    wrong = "wröng-pass"
    with serving(starttls=certified.context, login=True) as sink:
        channel = smtp(sink.port, "starttls", ca_file=certified.ca_file, user=USER, password=lambda: wrong)
        outcome = channel.send(envelope(), commit)[TO]
        assert wrong not in repr(channel)
    assert isinstance(outcome, Deferred)
    assert outcome.reason.startswith("localhost responded 535 ")


@pytest.mark.parametrize("echo", ["s3cret-word", "AHNzbGF1ZGl0AHMzY3JldC13b3Jk", "czNjcmV0LXdvcmQ="])
def test_password_that_a_server_repeats_is_hidden(echo: str, commit: Mock) -> None:
    with misbehaving(answering(ehlo="250-mx\r\n250 AUTH PLAIN", auth=f"535 no: {echo} is wrong")) as port:
        outcome = smtp(port, user=USER, password=lambda: "s3cret-word").send(envelope(), commit)[TO]
    assert outcome == Deferred("localhost responded 535 no: [password] is wrong")


def test_unreadable_password_is_deferred(commit: Mock) -> None:
    password = partial(Path("/nonexistent/secret").read_text, encoding="utf-8")
    with misbehaving(answering()) as port:
        outcome = smtp(port, user=USER, password=password).send(envelope(), commit)[TO]
    assert isinstance(outcome, Deferred)
    assert outcome.reason.endswith("password: No such file or directory")


def test_each_recipient_has_its_own_outcome(commit: Mock) -> None:
    with serving() as sink:
        sink.responses = {"gone@example.com": "550 5.1.1 no such user", "grey@example.com": "451 4.7.1 come back later"}
        outcomes = smtp(sink.port).send(envelope(TO, "gone@example.com", "grey@example.com"), commit)
    assert isinstance(outcomes[TO], Delivered)
    assert outcomes["gone@example.com"] == Refused("localhost responded 550 5.1.1 no such user")
    assert outcomes["grey@example.com"] == Deferred("localhost responded 451 4.7.1 come back later")
    assert [recipients for _, recipients, _ in sink.taken] == [(TO,)]


def sending_half_a_response(client: socket.socket) -> None:
    answering(content=None)(client)
    client.sendall(b"250 OK queue")


@pytest.mark.parametrize(
    ("script", "kind", "reason", "commits"),
    [
        (answering(greeting="554 no service here"), Deferred, "localhost responded 554 no service here", 0),
        (answering(greeting="421 too busy"), Deferred, "localhost responded 421 too busy", 0),
        (answering(greeting="\x00\xff\x1b[2Jgarbage"), Deferred, "localhost responded -1", 0),
        (answering(greeting=None), Deferred, "greeting: Connection unexpectedly closed", 0),
        (answering(ehlo="502 what?"), Deferred, "localhost responded 502 what?", 0),
        (answering(mail="550 5.7.1 not you"), Refused, "the sender was refused: localhost responded 550 5", 0),
        (answering(mail=None), Deferred, "MAIL FROM: Connection unexpectedly closed", 0),
        (answering(rcpt=None), Deferred, "RCPT TO: Connection unexpectedly closed", 0),
        (answering(data="451 not now"), Deferred, "localhost responded 451 not now", 0),
        (answering(data=None), Deferred, "DATA: Connection unexpectedly closed", 0),
        (answering(content="554 5.7.1 this is spam"), Refused, "localhost responded 554 5.7.1 this is spam", 1),
        (answering(content="452 4.3.1 disk full"), Deferred, "localhost responded 452 4.3.1 disk full", 1),
        (answering(content=None), Uncertain, "response to the content: Connection unexpectedly closed", 1),
        (sending_half_a_response, Uncertain, "the connection ended within a response", 1),
        (answering(quit=None), Delivered, "localhost responded 250 OK", 1),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_response_or_its_absence_decides_the_outcome(
    script: Say, kind: type[DeliveryOutcome], reason: str, commits: int, commit: Mock
) -> None:
    with misbehaving(script) as port:
        outcome = smtp(port).send(envelope(), commit)[TO]
    text = outcome.response if isinstance(outcome, Delivered) else outcome.reason
    assert (type(outcome), commit.call_count) == (kind, commits)
    assert reason in text
    assert text.isprintable()


def dripping(client: socket.socket) -> None:
    for byte in b"220 mx.example.com is slow today" * 20:
        client.sendall(bytes([byte]))
        time.sleep(0.05)


def endless(client: socket.socket) -> None:
    while True:
        client.sendall(b"220-and one more thing\r\n" * 1000)


def one_line(client: socket.socket) -> None:
    while True:
        client.sendall(b"2" * 100_000)


@pytest.mark.parametrize("script", [dripping, silent, endless, one_line])
@pytest.mark.parametrize("security", ["plain", "tls"])
def test_slow_flooding_or_silent_server_is_deferred_in_time(script: Say, security: Security, commit: Mock) -> None:
    began = time.monotonic()
    with misbehaving(script) as port:
        outcome = smtp(port, security, timeouts=HASTY).send(envelope(), commit)[TO]
        assert time.monotonic() - began < 30
    assert isinstance(outcome, Deferred)
    assert re.search(r"(greeting|TLS): \S", outcome.reason)
    assert commit.call_count == 0


def test_responses_that_arrive_together_are_all_read(commit: Mock) -> None:
    with misbehaving(answering(greeting="220 mx\r\n250 mx", ehlo="")) as port:  # the response to EHLO comes with it
        assert isinstance(smtp(port).send(envelope(), commit)[TO], Delivered)


def test_limit_of_bytes_is_for_all_responses_of_a_session(commit: Mock) -> None:
    long = "\r\n".join(["250-" + "x" * 900] * 60 + ["250 OK"])  # one of them is below the limit
    with misbehaving(answering(ehlo=long, mail=long)) as port:
        outcome = smtp(port).send(envelope(), commit)[TO]
    assert isinstance(outcome, Deferred)
    assert outcome.reason.startswith(f"localhost:{port}, MAIL FROM: ")
    assert outcome.reason.endswith("the server sent more than 100000 bytes")


def test_session_that_exceeds_its_whole_time_is_deferred(commit: Mock) -> None:
    recipients = tuple(f"user{number}@example.com" for number in range(40))

    def slow(client: socket.socket) -> None:
        client.sendall(b"220 mx\r\n")
        while client.recv(4096):
            time.sleep(0.1)
            client.sendall(b"250 OK\r\n")

    with misbehaving(slow) as port:
        limits = SmtpTimeouts(connect=20, response=20, content=20, delivery=20, session=1.5)
        outcomes = smtp(port, timeouts=limits).send(envelope(*recipients), commit)
    assert {type(outcome) for outcome in outcomes.values()} == {Deferred}
    assert re.search(r"RCPT TO: no response within [01]\.?\d* s", str(outcomes[recipients[-1]]))
    assert commit.call_count == 0


def test_server_that_stops_reading_the_content_is_deferred(commit: Mock) -> None:
    def stuck(client: socket.socket) -> None:
        client.sendall(b"220 mx\r\n")
        while (line := client.recv(4096)) and not line.startswith(b"DATA"):
            client.sendall(b"250 OK\r\n")
        client.sendall(b"354 go on\r\n")
        time.sleep(2)

    long = Envelope("a@example.com", (TO,), b"Subject: x\r\n\r\n" + b"y" * 30_000_000)
    limits = SmtpTimeouts(connect=20, response=20, content=0.5, delivery=20)
    with misbehaving(stuck) as port:
        outcome = smtp(port, timeouts=limits).send(long, commit)[TO]
    assert outcome == Deferred(f"localhost:{port}, content: no response within 0.5 s")
    assert commit.call_count == 0


def test_server_that_does_not_listen_is_deferred(commit: Mock) -> None:
    with closed_port() as port:
        outcome = smtp(port).send(envelope(), commit)[TO]
    assert outcome == Deferred(f"localhost:{port}, connect: Connection refused")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("smtp://relay.example.com", ("relay.example.com", 587, "starttls")),
        ("smtp://relay.example.com:587", ("relay.example.com", 587, "starttls")),
        ("smtp://localhost:2525", ("localhost", 2525, "plain")),
        ("smtp://relay.example.com:25", ("relay.example.com", 25, "starttls")),
        ("smtps://relay.example.com", ("relay.example.com", 465, "tls")),
        ("smtp://localhost", ("localhost", 25, "plain")),
        ("smtp://[::1]:2525", ("::1", 2525, "plain")),
    ],
)
def test_scheme_of_a_url_decides_the_security(url: str, expected: tuple[str, int, str]) -> None:
    read = parse_smtp_url(url)
    assert (read.host, read.port, read.security) == expected


@pytest.mark.parametrize(
    "url", ["relay.example.com", "http://x", "smtp://", "smtp://u:hunter2@x", "smtp://x:99999", "smtp://x/y"]
)
def test_unusable_url_is_refused_with_the_correct_form(url: str) -> None:
    with pytest.raises(BadSmtpServer) as refused:
        parse_smtp_url(url)
    assert "hunter2" not in str(refused.value)


def test_plain_smtp_over_a_network_is_refused() -> None:
    with pytest.raises(BadSmtpServer, match="only a server on loopback is used without TLS"):
        SmtpServer("relay.example.com", 25, "plain")
    with pytest.raises(BadSmtpServer, match="both `user` and `password`"):
        SmtpServer("relay.example.com", 587, "starttls", user="u")
