"""The upgrade from plain text to TLS in each protocol, and its failures."""

from __future__ import annotations

import socket

import pytest

from audit.probe import Limits
from tests.support.probe.observations import HASTY, failure, handshake, look_at
from tests.support.probe.tls_servers import Script, context, dialog, hold, in_turn, say, serving, then, tls

UPGRADES = {
    "smtp": dialog(
        b"220-mail.example.test\r\n220 ESMTP\r\n",
        (b"EHLO [127.0.0.1]\r\n", b"250-mail.example.test\r\n250-PIPELINING\r\n250 STARTTLS\r\n"),
        (b"STARTTLS\r\n", b"220 2.0.0 go ahead\r\n"),
    ),
    "imap": dialog(
        b"* OK [CAPABILITY IMAP4rev1] ready\r\n",
        (b"a1 CAPABILITY\r\n", b"* CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED\r\na1 OK done\r\n"),
        (b"a2 STARTTLS\r\n", b"* 1 EXISTS\r\na2 OK begin\r\n"),
    ),
    "pop3": dialog(
        b"+OK ready\r\n",
        (b"CAPA\r\n", b"+OK\r\nTOP\r\nSTLS\r\n.\r\n"),
        (b"STLS\r\n", b"+OK begin\r\n"),
    ),
    "ftp": dialog(
        b"220---------- Welcome ----------\r\n free text\r\n220 ready\r\n",
        (b"FEAT\r\n", b"211-Extensions:\r\n AUTH TLS\r\n PBSZ\r\n211 End\r\n"),
        (b"AUTH TLS\r\n", b"234 begin\r\n"),
    ),
}
GREETINGS = {"smtp": b"220 ready\r\n", "imap": b"* OK ready\r\n", "pop3": b"+OK ready\r\n", "ftp": b"220 ready\r\n"}
BARE_SMTP = (b"EHLO", b"250 mail.example.test\r\n")
OFFERING_SMTP = (b"EHLO", b"250-mail.example.test\r\n250 starttls\r\n")


def _inject_late(connected: socket.socket) -> None:
    connected.recv(1)  # of the ClientHello
    connected.sendall(b"250 injected\r\n")


def kind_of(scheme: str, script: Script, limits: Limits = HASTY) -> str:
    """Assert that an endpoint fails before the handshake, and return the kind of the failure."""
    with serving(script) as server:
        shown = failure(f"{scheme}://127.0.0.1:{server.port}", limits)
    assert shown.stage == "starttls"
    assert "\n" not in shown.detail
    return shown.kind


@pytest.mark.parametrize("scheme", UPGRADES)
def test_each_protocol_is_upgraded(scheme: str) -> None:
    with serving(then(UPGRADES[scheme], tls(context()))) as server:
        assert handshake(f"{scheme}://127.0.0.1:{server.port}").version == "TLSv1.3"


@pytest.mark.parametrize(
    ("scheme", "greeting"), [("smtps", "smtp"), ("imaps", "imap"), ("pop3s", "pop3"), ("ftps", "ftp")]
)
def test_each_protocol_within_tls_is_read_to_its_greeting(scheme: str, greeting: str) -> None:
    with serving(tls(context(), greeting=GREETINGS[greeting])) as server:
        assert handshake(f"{scheme}://127.0.0.1:{server.port}").version == "TLSv1.3"


@pytest.mark.parametrize("scheme", ["smtp", "smtps", "pop3s", "ftps", "imaps"])
def test_connection_ends_with_the_quit_command_of_the_protocol(scheme: str) -> None:
    received: list[bytes] = []
    before = (UPGRADES["smtp"],) if scheme == "smtp" else ()
    greeting = b"" if scheme == "smtp" else GREETINGS[scheme.removesuffix("s")]
    with serving(then(*before, tls(context(), received, greeting))) as server:
        handshake(f"{scheme}://127.0.0.1:{server.port}")
    assert received == [b"a3 LOGOUT\r\n" if scheme == "imaps" else b"QUIT\r\n"]


@pytest.mark.parametrize(
    ("scheme", "capabilities"),
    [
        ("smtp", BARE_SMTP),
        ("imap", (b"a1 CAPABILITY", b"* CAPABILITY IMAP4rev1\r\na1 OK\r\n")),
        ("pop3", (b"CAPA", b"+OK\r\nTOP\r\n.\r\n")),
    ],
)
def test_server_that_does_not_announce_starttls_does_not_offer_it(
    scheme: str, capabilities: tuple[bytes, bytes]
) -> None:
    left: list[bytes] = []
    script = then(dialog(GREETINGS[scheme], capabilities), lambda connected: left.append(connected.recv(100)))
    assert kind_of(scheme, script) == "not-offered"
    assert left == [b"a3 LOGOUT\r\n" if scheme == "imap" else b"QUIT\r\n"]


def test_ftp_upgrade_is_requested_even_if_not_announced() -> None:
    script = dialog(GREETINGS["ftp"], (b"FEAT", b"500 unknown\r\n"), (b"AUTH TLS", b"234 begin\r\n"))
    with serving(then(script, tls(context()))) as server:
        assert handshake(f"ftp://127.0.0.1:{server.port}").version == "TLSv1.3"


@pytest.mark.parametrize("reply", [b"500 unknown\r\n", b"530 Please login with USER and PASS.\r\n"])
def test_ftp_server_without_the_command_does_not_offer_tls(reply: bytes) -> None:
    script = dialog(GREETINGS["ftp"], (b"FEAT", b"211-\r\n UTF8\r\n211 End\r\n"), (b"AUTH TLS", reply))
    assert kind_of("ftp", then(script, hold)) == "not-offered"


def test_pop3_upgrade_is_requested_without_capabilities() -> None:
    script = dialog(GREETINGS["pop3"], (b"CAPA", b"-ERR unknown\r\n"), (b"STLS", b"+OK begin\r\n"))
    with serving(then(script, tls(context()))) as server:
        assert handshake(f"pop3://127.0.0.1:{server.port}").version == "TLSv1.3"


def test_announced_upgrade_that_is_refused_is_rejected() -> None:
    script = dialog(GREETINGS["smtp"], OFFERING_SMTP, (b"STARTTLS", b"454 TLS currently unavailable\r\n"))
    assert kind_of("smtp", then(script, hold)) == "rejected"


def test_refusing_greeting_is_rejected() -> None:
    assert kind_of("smtp", then(say(b"554 no service here\r\n"), hold)) == "rejected"


@pytest.mark.parametrize(
    ("scheme", "greeting"),
    [
        ("smtp", b"421 4.7.0 too many connections\r\n"),
        ("imap", b"* BYE too many connections\r\n"),
        ("pop3", b"-ERR [SYS/TEMP] try again\r\n"),
        ("ftp", b"421 too many connections\r\n"),
    ],
)
def test_temporary_refusal_is_busy_and_retried_once(scheme: str, greeting: bytes) -> None:
    with serving(then(say(greeting), hold)) as server:
        assert failure(f"{scheme}://127.0.0.1:{server.port}").kind == "busy"
        assert server.connections == 2


def test_server_that_was_busy_is_observed_at_the_retry() -> None:
    with serving(in_turn(say(b"421 later\r\n"), then(UPGRADES["smtp"], tls(context())))) as server:
        observation = look_at(f"smtp://127.0.0.1:{server.port}")
    assert len(observation.handshakes) == 1
    assert observation.connections == 4


def test_plain_text_after_the_consent_is_injected() -> None:
    script = dialog(GREETINGS["smtp"], OFFERING_SMTP, (b"STARTTLS", b"220 go ahead\r\n250 injected\r\n"))
    assert kind_of("smtp", then(script, hold)) == "injected"


def test_late_plain_text_after_the_consent_is_injected() -> None:
    script = then(
        dialog(GREETINGS["smtp"], OFFERING_SMTP, (b"STARTTLS", b"220 go ahead\r\n")),
        _inject_late,
        hold,
    )
    assert kind_of("smtp", script) == "injected"


def test_unanswered_upgrade_times_out() -> None:
    script = then(dialog(GREETINGS["smtp"], OFFERING_SMTP), hold)
    with serving(script) as server:
        shown = failure(f"smtp://127.0.0.1:{server.port}", HASTY)
    assert (shown.stage, shown.kind) == ("starttls", "timeout")
    assert "a response to STARTTLS" in shown.detail


def test_another_protocol_is_garbage() -> None:
    assert kind_of("imap", then(say(b"SSH-2.0-OpenSSH_9.2\r\n"), hold)) == "garbage"
    assert kind_of("smtp", then(say(b"\x00\xff" * 9), hold)) == "garbage"


def test_server_that_closes_the_connection_is_closed() -> None:
    assert kind_of("pop3", say(b"")) == "closed"
    assert kind_of("pop3", dialog(GREETINGS["pop3"], (b"CAPA", b"+OK\r\nTO"))) == "closed"


def test_response_of_a_server_is_printed_safely() -> None:
    with serving(then(say(b"554 \x1b[2J\x9b no\r\n"), hold)) as server:
        shown = failure(f"smtp://127.0.0.1:{server.port}")
    assert shown.detail.isprintable()
