"""The plain text before TLS, byte by byte: which replies each protocol accepts, and why it refuses others."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from audit.probe.starttls import UPGRADES, WITHIN, Dialogue, StarttlsProtocol, excerpt
from audit.probe.tcp import ProbeError

GREETING = {
    "smtp": b"220 mail ready\r\n",
    "lmtp": b"220 mail ready\r\n",
    "imap": b"* OK ready\r\n",
    "pop3": b"+OK ready\r\n",
    "ftp": b"220 ready\r\n",
    "sieve": b'"STARTTLS"\r\nOK "ready"\r\n',
}
OFFER = {
    "smtp": b"250-mail\r\n250-STARTTLS\r\n250 HELP\r\n",
    "lmtp": b"250-mail\r\n250 STARTTLS\r\n",
    "imap": b"* CAPABILITY IMAP4rev1 STARTTLS\r\na1 OK done\r\n",
    "pop3": b"+OK\r\nSTLS\r\n.\r\n",
    "ftp": b"211-\r\n AUTH TLS\r\n211 End\r\n",
    "sieve": b'"SIEVE" "fileinto"\r\n"STARTTLS"\r\nOK\r\n',
}
CONSENT = {
    "smtp": b"220 go ahead\r\n",
    "lmtp": b"220 go ahead\r\n",
    "imap": b"a2 OK begin\r\n",
    "pop3": b"+OK begin\r\n",
    "ftp": b"234 begin\r\n",
    "sieve": b"OK\r\n",
}
VERBS = {"pop3": "STLS", "ftp": "AUTH TLS"}  # of the others it is STARTTLS


class ScriptedServer:
    """A connection to a server that sends these parts one after the other, and then closes it."""

    def __init__(self, parts: Iterable[bytes], *, late: bytes = b"", address: str = "192.0.2.1") -> None:
        self.local_address, self.awaiting = address, ""
        self.sent: list[bytes] = []
        self._parts, self._late = [*parts], late

    def send(self, octets: bytes) -> None:
        self.sent.append(octets)

    def receive(self) -> bytes:
        return self._parts.pop(0) if self._parts else b""

    def pending(self) -> bytes:
        return self._late

    def closed(self) -> ProbeError:
        return ProbeError("starttls", "closed", f"closed instead of {self.awaiting}")


def begin_tls(server: Any, protocol: StarttlsProtocol) -> None:  # noqa: ANN401 - a double of a connection
    """Wait for the greeting and agree to begin TLS."""
    dialogue = Dialogue(server, protocol)
    dialogue.greet()
    dialogue.negotiate()


def negotiated(scheme: str, *parts: bytes, **given: Any) -> list[bytes]:  # noqa: ANN401 - of the server
    """Return what is sent to a server that consents."""
    server: Any = ScriptedServer(parts, **given)
    begin_tls(server, UPGRADES[scheme])
    sent: list[bytes] = server.sent
    return sent


def refused(scheme: str, *parts: bytes, **given: Any) -> tuple[str, str, list[bytes]]:  # noqa: ANN401 - of the server
    """Return the kind and the detail of the failure, and the last command."""
    server: Any = ScriptedServer(parts, **given)
    with pytest.raises(ProbeError) as raised:
        begin_tls(server, UPGRADES[scheme])
    assert raised.value.stage == "starttls"
    return raised.value.kind, raised.value.detail, server.sent[-1:]


@pytest.mark.parametrize(
    ("scheme", "commands"),
    [
        ("smtp", [b"EHLO [192.0.2.1]\r\n", b"STARTTLS\r\n"]),
        ("imap", [b"a1 CAPABILITY\r\n", b"a2 STARTTLS\r\n"]),
        ("pop3", [b"CAPA\r\n", b"STLS\r\n"]),
        ("ftp", [b"FEAT\r\n", b"AUTH TLS\r\n"]),
        ("lmtp", [b"LHLO [192.0.2.1]\r\n", b"STARTTLS\r\n"]),
        ("sieve", [b"CAPABILITY\r\n", b"STARTTLS\r\n"]),
    ],
)
def test_commands_of_the_protocol_are_sent_also_if_replies_come_in_pieces(scheme: str, commands: list[bytes]) -> None:
    replies = GREETING[scheme], OFFER[scheme], CONSENT[scheme]
    assert negotiated(scheme, *replies) == commands
    octets = [bytes([octet]) for octet in b"".join(replies)]
    assert negotiated(scheme, *octets) == commands


def test_client_with_an_ipv6_address_names_it_as_a_literal() -> None:
    (hello, _) = negotiated("smtp", GREETING["smtp"], OFFER["smtp"], CONSENT["smtp"], address="2001:db8::1")
    assert hello == b"EHLO [IPv6:2001:db8::1]\r\n"


@pytest.mark.parametrize(
    ("scheme", "replies"),
    [
        ("smtp", (b"220-a\r\n220 b\r\n", b"250-mail\r\n250 starttls\r\n", b"220\r\n")),  # a code alone ends a reply
        ("smtp", (GREETING["smtp"], b"502 unknown\r\n", b"220 go ahead\r\n")),
        ("imap", (b"* PREAUTH ready\r\n", OFFER["imap"], b"* 1 EXISTS\r\na2 OK begin\r\n")),
        ("imap", (GREETING["imap"], b"a1 BAD unknown\r\n", CONSENT["imap"])),
        ("pop3", (GREETING["pop3"], b"-ERR unknown\r\n", CONSENT["pop3"])),
        ("pop3", (GREETING["pop3"], b"+OK\r\nstls\r\n.\r\n", CONSENT["pop3"])),
        ("ftp", (b"220-\r\n220 inside a greeting\r\n", b"500 unknown\r\n", CONSENT["ftp"])),
        ("ftp", (GREETING["ftp"], b"211 no features\r\n", CONSENT["ftp"])),
    ],
)
def test_consent_of_a_server_is_accepted(scheme: str, replies: tuple[bytes, ...]) -> None:
    assert len(negotiated(scheme, *replies)) == 2


@pytest.mark.parametrize(
    ("scheme", "reply", "kind"),
    [
        ("smtp", b"454 not now\r\n", "rejected"),
        ("smtp", b"500 unknown\r\n", "rejected"),  # it was announced
        ("smtp", b"421 too busy\r\n", "busy"),
        ("imap", b"a2 NO not now\r\n", "rejected"),
        ("imap", b"a2 BAD unknown\r\n", "rejected"),
        ("imap", b"* BYE later\r\na2 NO\r\n", "busy"),
        ("pop3", b"-ERR not now\r\n", "rejected"),
        ("pop3", b"-ERR [IN-USE] not now\r\n", "busy"),
        ("pop3", b"-ERR [LOGIN-DELAY] not now\r\n", "busy"),
        ("pop3", b"-ERR Too many connections\r\n", "busy"),
        ("ftp", b"534 not now\r\n", "rejected"),
        ("ftp", b"530 log in first\r\n", "rejected"),
        ("ftp", b"120 in 5 minutes\r\n", "busy"),
        ("sieve", b'NO "not now"\r\n', "rejected"),
        ("sieve", b'NO (TRYLATER) "not now"\r\n', "busy"),
        ("sieve", b'BYE "not now"\r\n', "busy"),
    ],
)
def test_refusal_of_an_announced_upgrade_is_named(scheme: str, reply: bytes, kind: str) -> None:
    found, detail, last = refused(scheme, GREETING[scheme], OFFER[scheme], reply)
    assert (found, last == [UPGRADES[scheme].farewell]) == (kind, kind == "rejected")
    first = reply.splitlines()[0].decode()
    assert first in detail
    replies = f"the server replies to {VERBS.get(scheme, 'STARTTLS')} with "
    assert detail.startswith("the server is busy: " if kind == "busy" else replies)


@pytest.mark.parametrize(
    ("scheme", "capabilities", "reply", "kind"),
    [
        ("smtp", b"502 unknown\r\n", b"500 unknown\r\n", "not-offered"),
        ("smtp", b"502 unknown\r\n", b"502 unknown\r\n", "not-offered"),
        ("smtp", b"502 unknown\r\n", b"504 unknown\r\n", "not-offered"),
        ("smtp", b"502 unknown\r\n", b"501 wrong\r\n", "rejected"),
        ("imap", b"a1 BAD\r\n", b"a2 BAD unknown\r\n", "not-offered"),
        ("imap", b"a1 BAD\r\n", b"a2 NO not now\r\n", "rejected"),
        ("pop3", b"-ERR\r\n", b"-ERR unknown\r\n", "not-offered"),
        ("ftp", b"500 unknown\r\n", b"530 log in first\r\n", "not-offered"),
        ("ftp", b"500 unknown\r\n", b"534 not now\r\n", "rejected"),
        ("sieve", b"NO\r\n", b'NO "unknown"\r\n', "not-offered"),
    ],
)
def test_unknown_command_that_was_not_announced_is_not_offered(
    scheme: str, capabilities: bytes, reply: bytes, kind: str
) -> None:
    found, _, last = refused(scheme, GREETING[scheme], capabilities, reply)
    assert (found, last) == (kind, [UPGRADES[scheme].farewell])


@pytest.mark.parametrize(
    ("scheme", "capabilities"),
    [
        ("smtp", b"250-mail\r\n250 XSTARTTLS\r\n"),
        ("smtp", b"250-mail\r\n250 STARTTLSX\r\n"),
        ("imap", b"* CAPABILITY IMAP4rev1 XSTARTTLS\r\na1 OK\r\n"),
        ("pop3", b"+OK\r\nXSTLS\r\n.\r\n"),
        ("sieve", b'"XSTARTTLS"\r\nOK\r\n'),
    ],
)
def test_capability_of_another_name_is_not_an_offer(scheme: str, capabilities: bytes) -> None:
    verb = VERBS.get(scheme, "STARTTLS")
    expected = ("not-offered", f"{verb} is not a capability of the server", [UPGRADES[scheme].farewell])
    assert refused(scheme, GREETING[scheme], capabilities) == expected


@pytest.mark.parametrize("parts", [(b"220 go ahead\r\n250 x\r\n",), (b"220 go ahead\r\n2",)])
def test_bytes_in_plain_text_after_the_consent_are_injected(parts: tuple[bytes, ...]) -> None:
    kind, detail, last = refused("smtp", GREETING["smtp"], OFFER["smtp"], *parts)
    assert (kind, last) == ("injected", [b"STARTTLS\r\n"])
    assert detail.startswith('unencrypted bytes follow the consent to STARTTLS: "2')


def test_bytes_that_arrive_after_the_consent_are_injected() -> None:
    kind, detail, _ = refused("smtp", GREETING["smtp"], OFFER["smtp"], CONSENT["smtp"], late=b"250 late\r\n")
    assert (kind, detail) == ("injected", 'unencrypted bytes follow the consent to STARTTLS: "250 late"')


@pytest.mark.parametrize(
    ("scheme", "greeting", "kind"),
    [
        ("smtp", b"SSH-", "garbage"),
        ("smtp", b"SSH", "closed"),  # too short to be judged
        ("smtp", b"* OK ready\r\n", "garbage"),
        ("imap", b"+OK ready\r\n", "garbage"),
        ("pop3", b"220 ready\r\n", "garbage"),
        ("pop3", b"-ERR no\r\n", "rejected"),
        ("imap", b"* BAD no\r\n", "rejected"),
        ("ftp", b"220-a\r\nfree text\r\n", "closed"),  # only its first line has to begin with a code
        ("ftp", b"530 no\r\n", "rejected"),
        ("sieve", b'NO "no"\r\n', "rejected"),
        ("sieve", b"220 ready\r\n", "garbage"),
        ("smtp", b"421 later\r\n", "busy"),
        ("smtp", b"", "closed"),
    ],
)
def test_other_greeting_than_that_of_the_protocol_is_named(scheme: str, greeting: bytes, kind: str) -> None:
    found, detail, last = refused(scheme, greeting)
    assert (found, last) == (kind, [])
    assert kind != "closed" or detail == "closed instead of a greeting"


def test_missing_reply_is_named_by_its_command() -> None:
    assert refused("smtp", GREETING["smtp"])[1] == "closed instead of a response to EHLO"
    assert refused("imap", GREETING["imap"], OFFER["imap"])[1] == "closed instead of a response to STARTTLS"


def test_reply_is_quoted_on_one_line_up_to_80_characters() -> None:
    assert excerpt(b"220-a \r\n\r\n220 \xff b\r\n") == r'"220-a / 220 \xff b"'
    assert excerpt(b"x" * 80) == excerpt(b"x" * 81) == f'"{"x" * 80}"'


def test_scheme_within_tls_has_the_protocol_of_its_plain_scheme() -> None:
    assert all(UPGRADES[scheme.removesuffix("s")] is protocol for scheme, protocol in WITHIN.items())
