"""Tests of the reader of dovecot: its listeners, and the certificate of each protocol, address and name."""

from __future__ import annotations

from dataclasses import replace

import pytest

from audit.services import Listener, dovecot
from audit.services.model import ConfigDump, Section
from tests.support.config_dumps import described, dump

FILES = "ssl_cert = </etc/ssl/{0}.crt\nssl_key = </etc/ssl/{0}.key\n"
FILES_24 = "ssl_server_cert_file = /etc/ssl/{0}.crt\nssl_server_key_file = /etc/ssl/{0}.key\n"
NEWER = "dovecot_config_version = 2.4.1\n"


def files(name: str) -> str:
    return f"/etc/ssl/{name}.crt key:/etc/ssl/{name}.key"


def settings(name: str) -> str:
    return FILES.format(name)


def newer(name: str) -> str:
    return FILES_24.format(name)


def read(text: str, own: tuple[str, ...] = ()) -> tuple[Listener, ...]:
    """Read a dump of a host with these addresses."""
    return dovecot.read(replace(dump(dump=text), addresses=own))


COMPLETE = f"""# 2.3.19.1 (9b53102964): /etc/dovecot/dovecot.conf
protocols = " imap submission"
service anvil {{
}}
service imap-login {{
  inet_listener imap {{
    address =
    haproxy = no
    port = 0
    ssl = no
  }}
  inet_listener imaps {{
    address =
    haproxy = no
    port = 993
    ssl = yes
  }}
}}
service log {{
}}
service pop3-login {{
  inet_listener pop3s {{
    port = 995
    ssl = yes
  }}
}}
service submission-login {{
  inet_listener submission {{
    haproxy = yes
    port = 587
    ssl = no
  }}
}}
{settings("main")}"""
BLOCK_24 = f"""{NEWER}protocols {{
  imap = yes
  pop3 = no
  submission = yes
}}
ssl_server {{
  cert_file = /etc/ssl/main.crt
  key_file = /etc/ssl/main.key
}}
"""
SIEVE = f"""{NEWER}protocols = sieve lmtp
service managesieve-login {{
  inet_listener sieve_deprecated {{
    port = 2000
    listen = 127.0.0.1
  }}
}}
service lmtp {{
  inet_listener lmtp {{
    port = 24
  }}
  inet_listener lmtps {{
    port = 2424
    ssl = yes
  }}
}}
service doveadm {{
  inet_listener http {{
    port = 8888
    ssl = yes
  }}
  inet_listener plain {{
    port = 8889
  }}
}}
{newer("main")}"""


NO_IMAP = "service imap-login {\n  inet_listener imap {\n    port = 0\n  }\n}\n"
NO_POP3 = "service pop3-login {\n  inet_listener pop3 {\n    port = 0\n  }\n}\n"
IMAPS = f"protocols = imap pop3\n{NO_IMAP}{NO_POP3}"
ONLY_IMAPS = f"protocols = imap\n{NO_IMAP}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (COMPLETE, (f"imaps 0.0.0.0,:: 993 | {files('main')}\n"
                   f"smtp 0.0.0.0,:: 587 | {files('main')} | PROXY protocol: always\n")),
        (f"protocols = submission\n{settings('main')}", f"smtp 0.0.0.0,:: 587 | {files('main')}\n"),
        (BLOCK_24, "".join(f"{place} | {files('main')}\n" for place in (
            "imap 0.0.0.0,:: 143", "imaps 0.0.0.0,:: 993", "smtp 0.0.0.0,:: 587", "smtps 0.0.0.0,:: 465"))),
        (SIEVE, "".join(f"{place} | {files('main')}\n" for place in (
            "sieve 0.0.0.0,:: 4190", "sieve 127.0.0.1 2000", "lmtp 0.0.0.0,:: 24", "tls 0.0.0.0,:: 2424",
            "tls 0.0.0.0,:: 8888"))),
        (f"{NEWER}{ONLY_IMAPS}{newer('main')}", f"imaps 0.0.0.0,:: 993 | {files('main')}\n"),
    ],
    ids=["complete dump", "2.3 has no port 465", "protocols block", "ManageSieve, LMTP and others", "port 0 of 2.4"],
)  # fmt: skip
def test_listeners_are_those_of_the_protocols(text: str, expected: str) -> None:
    assert described(read(text)) == expected


def test_files_of_protocols_are_joined_if_there_is_no_dump() -> None:
    text = f"{settings('main')}protocols = $protocols imap # first\nprotocols = $protocols pop3\n"
    listeners = dovecot.read(ConfigDump({"dump": Section("Fatal", 89), "files": Section(text)}))
    assert [listener.port for listener in listeners] == [143, 993, 110, 995]


HOST = "192.0.2.5"


def at_address(form: str) -> str:
    """Return the settings of an address with a name and a protocol inside it."""
    inner = f"  local_name in.example.org {{\n{form.format('name')}  }}\n"
    return f"local {HOST} {{\n{form.format('address')}{inner}}}\n"


@pytest.mark.parametrize("form", [FILES, NEWER + FILES_24], ids=["2.3", "2.4"])
def test_protocol_address_and_name_inside_it_have_their_own_files(form: str) -> None:
    text = f"{IMAPS}{form.format('main')}protocol pop3 {{\n{form.format('pop3')}}}\n{at_address(form)}"
    assert described(read(text)) == (
        f"imaps {HOST} 993 | {files('address')}\n"
        f"imaps {HOST} 993 | in.example.org | {files('name')}\n"
        f"imaps 0.0.0.0,:: 993 | {files('main')}\n"
        f"pop3s {HOST} 995 | {files('address')}\n"
        f"pop3s {HOST} 995 | in.example.org | {files('name')}\n"
        f"pop3s 0.0.0.0,:: 995 | {files('pop3')}\n"
    )


CLIENT = "dovecot has another certificate, /etc/ssl/client.crt, for the clients in `remote 198.51.100.1`"
SEVERAL = "dovecot has several values of ssl_cert, ssl_key for"
USES_GROUP = "  @tls = other\n"
NAME = "local_name a.example.org {{\n{0}}}\n"
ADDRESS = f"local {HOST} {{{{\n{{0}}}}}}\n"
WHOLE = f"imaps 0.0.0.0,:: 993 | {files('main')}\n"
A = "a.example.org"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"{newer('main')}{NAME.format(newer('a'))}protocol imap {{\n{newer('last')}}}\n",
         f"imaps 0.0.0.0,:: 993 | {files('last')}\nimaps 0.0.0.0,:: 993 | {A} | {files('last')}\n"),
        (f"{newer('main')}{NAME.format(newer('a'))}{ADDRESS.format(newer('ip'))}",
         (f"imaps {HOST} 993 | {files('ip')}\nimaps {HOST} 993 | {A} | {files('ip')}\n{WHOLE}"
         f"imaps 0.0.0.0,:: 993 | {A} | {files('a')}\n")),
        (f"{newer('main')}local_name *.example.org {{\n  protocol !imap {{\n{newer('no')}  }}\n}}\n", WHOLE),
        (f"{newer('main')}group @tls other {{\n{newer('group')}}}\n{NAME.format(USES_GROUP)}",
         f"{WHOLE}imaps 0.0.0.0,:: 993 | {A} | {files('group')}\n"),
        (f"{newer('main')}local_name *.example.org {{\n{newer('wild')}}}\n",
         f"{WHOLE}imaps 0.0.0.0,:: 993 | any-label.example.org | {files('wild')}\n"),
        ((f"{newer('main')}local_name {A} {{\n  ssl_server_alt_cert_file = /etc/ssl/alt.crt\n"
         "  ssl_server_alt_key_file = /etc/ssl/alt.key\n}\n"),
         f"{WHOLE}imaps 0.0.0.0,:: 993 | {A} | {files('main')} {files('alt')}\n"),
    ],
    ids=["last block", "last block at an address", "other protocols", "group", "wildcard", "alternative certificate"],
)  # fmt: skip
def test_last_block_that_matches_wins_in_2_4(text: str, expected: str) -> None:
    assert described(read(NEWER + ONLY_IMAPS + text)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"{NAME.format(settings('a'))}{settings('main')}protocol imap {{\n{settings('imap')}}}\n",
         f"imaps 0.0.0.0,:: 993 | {files('imap')}\nimaps 0.0.0.0,:: 993 | {A} | {files('a')}\n"),
        (f"{settings('main')}{NAME.format(settings('a'))}{ADDRESS.format(settings('ip'))}",
         (f"imaps {HOST} 993 | {files('ip')}\n"
         f"imaps {HOST} 993 | {A} | unread: {SEVERAL} {A} at {HOST}, and ends the connection\n"
          f"{WHOLE}imaps 0.0.0.0,:: 993 | {A} | {files('a')}\n")),
        (f"{settings('main')}local 192.0.2.0/24 {{\n{settings('net')}}}\n",
         (f"{WHOLE[:-1]} | unread: dovecot has another certificate for addresses in `local 192.0.2.0/24`, which "
         "are not known\n")),
        (f"{settings('main')}local mail.example.org {{\n{settings('net')}}}\n",
         (f"{WHOLE[:-1]} | unread: dovecot has another certificate for addresses in `local mail.example.org`, which "
         "are not known\n")),
        (f"{settings('main')}local_name \"{A} b.example.org\" {{\n{settings('two')}}}\n",
         (f"{WHOLE}imaps 0.0.0.0,:: 993 | {A} | {files('two')}\n"
         f"imaps 0.0.0.0,:: 993 | b.example.org | {files('two')}\n")),
        (f"{settings('main')}remote 198.51.100.1 {{\n{settings('client')}}}\n",
         f"{WHOLE[:-1]} | unread: {CLIENT}\n"),
        (f"{settings('main')}remote 198.51.100.0/24 {{\n  ssl = no\n}}\n",
         f"{WHOLE[:-1]} | unread: dovecot has no TLS for the clients in `remote 198.51.100.0/24`\n"),
        (f"ssl = no\n{settings('main')}{ADDRESS.format('  ssl = yes' + chr(10) + settings('ip'))}", ""),
        (f"{settings('main')}listen = 192.0.2.9\n{ADDRESS.format(settings('ip'))}",
         f"imaps 192.0.2.9 993 | {files('main')}\n"),
    ],
    ids=["most specific", "undecided", "network", "host name", "two names", "client", "client without TLS",
         "no TLS at all", "address of another socket"],
)  # fmt: skip
def test_most_specific_block_wins_in_2_3(text: str, expected: str) -> None:
    assert described(read(ONLY_IMAPS + text)) == expected


OWN = ("192.0.2.5", "192.0.2.77", "198.51.100.9", "2001:db8::5", "127.0.0.1", "::1")
NETWORK = "local {0} {{\n{1}}}\n"


@pytest.mark.parametrize("form", [FILES, NEWER + FILES_24], ids=["2.3", "2.4"])
@pytest.mark.parametrize(
    ("blocks", "expected"),
    [
        ([("192.0.2.0/24", "net"), ("192.0.2.64/26", "part")],
         (f"imaps {HOST} 993 | {files('net')}\nimaps 192.0.2.77 993 | {files('part')}\n{WHOLE}")),
        ([("2001:db8::/32", "six"), ("127.0.0.0/8", "loopback")],
         f"imaps 2001:db8::5 993 | {files('six')}\nimaps 127.0.0.1 993 | {files('loopback')}\n{WHOLE}"),
        ([("203.0.113.0/24", "other")], WHOLE),
    ],
    ids=["network in a network", "both families", "network without an address of the host"],
)  # fmt: skip
def test_network_stands_for_the_addresses_of_the_host_in_it(
    form: str, blocks: list[tuple[str, str]], expected: str
) -> None:
    networks = "".join(NETWORK.format(network, form.format(name)) for network, name in blocks)
    text = f"{ONLY_IMAPS}{form.format('main')}{networks}"
    assert described(read(text, OWN)) == expected


WILDCARD = f"local_name *.example.org {{\n{settings('wild')}}}\n"
PART = "local 192.0.2.0/29 {\n" + settings("part") + "}\n"


@pytest.mark.parametrize(
    ("blocks", "listener"),
    [
        (WILDCARD + NAME.format(settings("a")), f"imaps 0.0.0.0,:: 993 | {A} | {files('wild')}\n"),
        (NAME.format(settings("a")) + WILDCARD, f"imaps 0.0.0.0,:: 993 | {A} | {files('a')}\n"),
        (PART + NETWORK.format("192.0.2.0/24", f"  protocol imap {{\n{settings('imap')}  }}\n"),
         f"imaps {HOST} 993 | unread: {SEVERAL} any name at {HOST}, and ends the connection\n"),
    ],
    ids=["wildcard first", "name first", "protocol in a network and part of it"],
)  # fmt: skip
def test_first_of_equally_specific_blocks_wins_in_2_3(blocks: str, listener: str) -> None:
    assert listener in described(read(f"{ONLY_IMAPS}{settings('main')}{blocks}", OWN))


def test_network_without_tls_is_left_out_of_the_addresses() -> None:
    network = NETWORK.format("192.0.2.0/24", "  ssl = no\n")
    (listener,) = read(f"{ONLY_IMAPS}{settings('main')}{network}", OWN)
    assert listener.addresses == ("198.51.100.9", "127.0.0.1", "2001:db8::5", "::1")


def test_certificate_for_some_clients_is_named_at_their_address_and_name() -> None:
    client = f"  remote 198.51.100.1 {{\n{settings('client')}  }}\n"
    blocks = f"local {HOST} {{\n{settings('ip')}{client}}}\n{NAME.format(settings('a'))}"
    unread = [listener.unread for listener in read(f"{ONLY_IMAPS}{settings('main')}{blocks}", OWN)]
    assert [CLIENT in messages for messages in unread] == [True, False, False, False]


LMTP = "protocols = lmtp\nservice lmtp {\n  inet_listener lmtp {\n    port = 24\n  }\n}\n"


def test_lmtp_of_2_4_is_not_selected_by_address() -> None:
    text = NEWER + LMTP + newer("main") + NAME.format(newer("a")) + ADDRESS.format(newer("ip"))
    assert described(read(text)) == (f"lmtp 0.0.0.0,:: 24 | {files('main')}\nlmtp 0.0.0.0,:: 24 | {A} | {files('a')}\n")


def test_lmtp_of_2_3_is_not_selected_by_name() -> None:
    text = LMTP + settings("main") + NAME.format(settings("a")) + ADDRESS.format(settings("ip"))
    reason = f"dovecot has another certificate for addresses in `local {HOST}`, which are not known"
    assert described(read(text)) == f"lmtp 0.0.0.0,:: 24 | {files('main')} | unread: {reason}\n"
