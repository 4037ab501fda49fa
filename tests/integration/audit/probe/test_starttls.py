"""The upgrade from plain text to TLS in each protocol, and its failures."""

from __future__ import annotations

import socket

import pytest

from tests.support.probe.observations import HASTY, PATIENT, failure, failure_of, handshake, look_at
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
    "pop3": dialog(b"+OK ready\r\n", (b"CAPA\r\n", b"+OK\r\nTOP\r\nSTLS\r\n.\r\n"), (b"STLS\r\n", b"+OK begin\r\n")),
    "ftp": dialog(
        b"220---------- Welcome ----------\r\n free text\r\n220 ready\r\n",
        (b"FEAT\r\n", b"211-Extensions:\r\n AUTH TLS\r\n PBSZ\r\n211 End\r\n"),
        (b"AUTH TLS\r\n", b"234 begin\r\n"),
    ),
    "sieve": dialog(
        b'"IMPLEMENTATION" "x"\r\n"STARTTLS"\r\nOK "ready"\r\n',
        (b"CAPABILITY\r\n", b'"IMPLEMENTATION" "x"\r\n"STARTTLS"\r\nOK\r\n'),
        (b"STARTTLS\r\n", b'OK "begin"\r\n'),
    ),
    "lmtp": dialog(
        b"220 ready\r\n",
        (b"LHLO [127.0.0.1]\r\n", b"250-mail\r\n250 STARTTLS\r\n"),
        (b"STARTTLS\r\n", b"220 go ahead\r\n"),
    ),
}
GREETINGS = {
    "smtp": b"220 ready\r\n", "imap": b"* OK ready\r\n", "pop3": b"+OK ready\r\n", "ftp": b"220 ready\r\n",
    "sieve": b'"VERSION" "1.0"\r\nOK\r\n', "lmtp": b"220 ready\r\n",
}  # fmt: skip
BARE_SMTP = (b"EHLO", b"250 mail.example.test\r\n")
OFFERING_SMTP = (b"EHLO", b"250-mail.example.test\r\n250 starttls\r\n")


def _inject_late(connected: socket.socket) -> None:
    connected.recv(1)  # of the ClientHello
    connected.sendall(b"250 injected\r\n")


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
    assert received == 2 * [b"a3 LOGOUT\r\n" if scheme == "imaps" else b"QUIT\r\n"]


@pytest.mark.parametrize(
    ("scheme", "capabilities"),
    [
        ("smtp", BARE_SMTP),
        ("imap", (b"a1 CAPABILITY", b"* CAPABILITY IMAP4rev1\r\na1 OK\r\n")),
        ("pop3", (b"CAPA", b"+OK\r\nTOP\r\n.\r\n")),
        ("sieve", (b"CAPABILITY", b'"VERSION" "1.0"\r\nOK\r\n')),
        ("lmtp", (b"LHLO", b"250 mail.example.test\r\n")),
    ],
)
def test_server_that_does_not_announce_starttls_does_not_offer_it(
    scheme: str, capabilities: tuple[bytes, bytes]
) -> None:
    left: list[bytes] = []
    script = then(dialog(GREETINGS[scheme], capabilities), lambda connected: left.append(connected.recv(100)))
    assert failure_of(script, PATIENT, scheme).kind == "not-offered"
    assert left == [{"imap": b"a3 LOGOUT\r\n", "sieve": b"LOGOUT\r\n"}.get(scheme, b"QUIT\r\n")]


@pytest.mark.parametrize(
    ("scheme", "greeting"),
    [
        ("smtp", b"421 4.7.0 too many connections\r\n"),
        ("imap", b"* BYE too many connections\r\n"),
        ("pop3", b"-ERR [SYS/TEMP] try again\r\n"),
        ("ftp", b"421 too many connections\r\n"),
        ("sieve", b'BYE (TRYLATER) "too many connections"\r\n'),
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
    assert observation.connections == 5


CONSENT = (b"STARTTLS", b"220 go ahead\r\n")
FTP_FEATURES = (b"FEAT", b"211-\r\n UTF8\r\n211 End\r\n")


@pytest.mark.parametrize(
    ("scheme", "script", "kind", "detail"),
    [
        ("ftp", dialog(GREETINGS["ftp"], FTP_FEATURES, (b"AUTH TLS", b"500 unknown\r\n")), "not-offered", ""),
        ("ftp", dialog(GREETINGS["ftp"], FTP_FEATURES, (b"AUTH TLS", b"530 Please login.\r\n")), "not-offered", ""),
        ("smtp", dialog(GREETINGS["smtp"], OFFERING_SMTP, (b"STARTTLS", b"454 not now\r\n")), "rejected", ""),
        ("smtp", say(b"554 no service here\r\n"), "rejected", ""),
        ("smtp", say(b"554 \x1b[2J\x9b no\r\n"), "rejected", ""),
        ("smtp", dialog(GREETINGS["smtp"], OFFERING_SMTP, (b"STARTTLS", b"220 go ahead\r\n250 x\r\n")), "injected", ""),
        ("smtp", then(dialog(GREETINGS["smtp"], OFFERING_SMTP, CONSENT), _inject_late), "injected", ""),
        ("smtp", dialog(GREETINGS["smtp"], OFFERING_SMTP), "timeout", "a response to STARTTLS"),
        ("imap", say(b"SSH-2.0-OpenSSH_9.2\r\n"), "garbage", ""),
        ("smtp", say(b"\x00\xff" * 9), "garbage", ""),
    ],
    ids=["no AUTH", "AUTH after the login", "refused upgrade", "refusing greeting", "control characters", "injected",
         "injected late", "unanswered", "SSH", "binary"],
)  # fmt: skip
def test_upgrade_that_fails_is_named(scheme: str, script: Script, kind: str, detail: str) -> None:
    shown = failure_of(then(script, hold), HASTY if kind == "timeout" else PATIENT, scheme)
    assert (shown.stage, shown.kind, detail in shown.detail) == ("starttls", kind, True)
    assert shown.detail.isprintable()


def test_server_that_closes_the_connection_is_closed() -> None:
    for script in (say(b""), dialog(GREETINGS["pop3"], (b"CAPA", b"+OK\r\nTO"))):
        shown = failure_of(script, PATIENT, "pop3")
        assert (shown.stage, shown.kind) == ("starttls", "closed")


@pytest.mark.parametrize(
    ("scheme", "script"),
    [
        ("ftp", dialog(GREETINGS["ftp"], (b"FEAT", b"500 unknown\r\n"), (b"AUTH TLS", b"234 begin\r\n"))),
        ("pop3", dialog(GREETINGS["pop3"], (b"CAPA", b"-ERR unknown\r\n"), (b"STLS", b"+OK begin\r\n"))),
    ],
)
def test_upgrade_is_requested_without_capabilities(scheme: str, script: Script) -> None:
    with serving(then(script, tls(context()))) as server:
        assert handshake(f"{scheme}://127.0.0.1:{server.port}").version == "TLSv1.3"
