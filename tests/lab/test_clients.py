"""Real clients talk to the sound servers of the lab as they would to any, and see the faulty ones' faults."""

from __future__ import annotations

import contextlib
import ftplib
import imaplib
import poplib
import shutil
import smtplib
import socket
import ssl
import subprocess
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import dns.exception
import dns.message
import dns.query
import dns.rcode
import pytest
from OpenSSL import SSL

from audit.endpoint import Endpoint, parse_endpoint
from tests.lab.description import Lab
from tests.lab.faults import SILENT
from tests.lab.lab import running
from tests.lab.reading import host_endpoints

Ask = Callable[..., dns.message.Message]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with running(tmp_path_factory.mktemp("lab")) as served:
        yield served


@pytest.fixture(scope="module")
def trusting(lab: Lab) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.hostname_checks_common_name = False
    context.load_verify_locations(lab.trust)
    return context


def configuration(lab: Lab) -> str:
    return Path(lab.trust).with_name("sslaudit.toml").read_text()


def name_server_port(lab: Lab) -> int:
    return int(tomllib.loads(configuration(lab))["probe"]["resolver"][0].partition(":")[2])


def find(lab: Lab, label: str) -> Endpoint:
    endpoints = (*map(parse_endpoint, lab.endpoints), *host_endpoints(configuration(lab)).values())
    return next(endpoint for endpoint in endpoints if endpoint.name == f"{label}.lab.test")


def shake_hands(endpoint: Endpoint, context: ssl.SSLContext) -> ssl.SSLSocket:
    plain = socket.create_connection((endpoint.connect_to, endpoint.port), timeout=5)
    return context.wrap_socket(plain, server_hostname=endpoint.name)


class Imap(imaplib.IMAP4):
    """imaplib's client, made to ask for another name than the address it connects to."""

    def __init__(self, endpoint: Endpoint, context: ssl.SSLContext) -> None:
        """Connect to the endpoint's address."""
        self.endpoint, self.context = endpoint, context
        super().__init__(endpoint.connect_to, endpoint.port, timeout=5)
        self.host = endpoint.name

    def _create_socket(self, timeout: float | None) -> socket.socket:
        if self.endpoint.scheme == "imaps":
            return shake_hands(self.endpoint, self.context)
        return super()._create_socket(timeout)  # type: ignore[misc, no-any-return]  # not in typeshed


@pytest.mark.parametrize("label", ["www", "service", "second-name", "rsa", "wildcard", "short-lived", "tls12"])
def test_endpoint_without_a_fault_is_accepted_by_a_verifying_client(
    lab: Lab, trusting: ssl.SSLContext, label: str
) -> None:
    with shake_hands(find(lab, label), trusting) as connection:
        assert connection.version() in ("TLSv1.2", "TLSv1.3")


@pytest.mark.parametrize("label", ["imap", "imaps"])
def test_imaplib_logs_in_and_lists_folders(lab: Lab, trusting: ssl.SSLContext, label: str) -> None:
    client = Imap(find(lab, label), trusting)
    if label == "imap":
        assert client.starttls(trusting)[0] == "OK"
    assert client.login("someone", "secret")[0] == "OK"
    assert client.list()[1] == [b'() "/" INBOX']
    assert client.select()[1] == [b"0"]
    assert client.logout()[0] == "BYE"


def test_poplib_starts_tls_logs_in_and_counts_messages(lab: Lab, trusting: ssl.SSLContext) -> None:
    endpoint = find(lab, "pop")
    client = poplib.POP3(endpoint.connect_to, endpoint.port, timeout=5)
    client.host = endpoint.name  # the name it verifies
    assert client.stls(trusting).startswith(b"+OK")
    client.user("someone")
    client.pass_("secret")
    assert client.stat() == (0, 0)
    assert client.quit().startswith(b"+OK")


def test_smtplib_starts_tls_and_delivers_a_message(lab: Lab, trusting: ssl.SSLContext) -> None:
    endpoint = find(lab, "mx")
    with smtplib.SMTP(endpoint.connect_to, endpoint.port, timeout=5) as client:
        client._host = endpoint.name  # type: ignore[attr-defined]  # the name it verifies
        client.starttls(context=trusting)
        assert client.sendmail("a@lab.test", ["b@lab.test"], "Subject: x\n\nbody\n.\n") == {}


def test_ftplib_protects_control_and_data_connections(lab: Lab, trusting: ssl.SSLContext) -> None:
    endpoint = find(lab, "ftp")
    client = ftplib.FTP_TLS(context=trusting, timeout=5)  # noqa: S321 - to see that it works
    client.connect(endpoint.connect_to, endpoint.port)
    client.host = endpoint.name
    client.login("someone", "secret")
    client.prot_p()
    listing: list[str] = []
    client.retrlines("LIST", listing.append)
    assert [line.rpartition(" ")[2] for line in listing] == ["empty"]
    assert client.quit().startswith("221")


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
@pytest.mark.parametrize("label", ["www", "submission", "mx", "imap", "imaps", "pop", "pops", "ftp", "ftps"])
def test_curl_verifies_the_certificate_and_completes_the_protocol(lab: Lab, label: str) -> None:
    endpoint = find(lab, label)
    url = f"{endpoint.scheme}://{endpoint.name}:{endpoint.port}/"
    place = f"{endpoint.name}:{endpoint.port}:{endpoint.connect_to}"
    command = ["curl", "-sS", "-m5", "--ssl-reqd", "--cacert", lab.trust, "--resolve", place, "-u", "a:b", url]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("label", "complaint"),
    [
        ("expired", "certificate has expired"),
        ("expired-second-name", "certificate has expired"),
        ("not-yet-valid", "certificate is not yet valid"),
        ("self-signed", "self-signed certificate"),
        ("foreign", "self-signed certificate in certificate chain"),
        ("leaf-only", "unable to get local issuer certificate"),
        ("wrong-name", "Hostname mismatch"),
        ("no-san", "Hostname mismatch"),
        ("client-only", "unsuitable certificate purpose"),
        ("sha1", "CA signature digest algorithm too weak"),
        ("rsa-1024", "EE certificate key too weak"),
    ],
)
def test_openssl_refuses_a_planted_fault_with_its_reason(
    lab: Lab, trusting: ssl.SSLContext, label: str, complaint: str
) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match=complaint):
        shake_hands(find(lab, label), trusting)


def newest_old_protocol(endpoint: Endpoint) -> str:
    """Return what a client that supports nothing newer than TLS 1.1 gets; raises SSL.Error where it gets nothing."""
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_cipher_list(b"ALL:@SECLEVEL=0")
    context.set_max_proto_version(SSL.TLS1_1_VERSION)
    with contextlib.closing(socket.create_connection((endpoint.connect_to, endpoint.port))) as plain:
        connection = SSL.Connection(context, plain)
        connection.set_connect_state()
        connection.do_handshake()
        return connection.get_protocol_version_name()


@pytest.mark.parametrize("label", ["tls10", "tls11"])
def test_old_protocol_version_is_accepted_where_it_is_planted(lab: Lab, label: str) -> None:
    assert newest_old_protocol(find(lab, label)) == "TLSv1.1"


def test_old_protocol_version_is_refused_everywhere_else(lab: Lab) -> None:
    with pytest.raises(SSL.Error):
        newest_old_protocol(find(lab, "www"))


def test_closed_port_refuses_connections(lab: Lab) -> None:
    endpoint = find(lab, "closed-port")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((endpoint.connect_to, endpoint.port), timeout=5)


@pytest.mark.parametrize(
    ("name", "rcode", "addresses"),
    [
        ("resolved", dns.rcode.NOERROR, ["127.0.0.1"]),
        ("two-addresses", dns.rcode.NOERROR, ["127.0.0.2", "127.0.0.3"]),
        ("no-address", dns.rcode.NOERROR, []),
        ("servfail", dns.rcode.SERVFAIL, []),
        ("nxdomain", dns.rcode.NXDOMAIN, []),
        ("expired", dns.rcode.NOERROR, ["127.0.0.1"]),
        ("other-wrong-name", dns.rcode.NOERROR, ["127.0.0.1"]),
        ("never-heard-of", dns.rcode.NXDOMAIN, []),
    ],
)
@pytest.mark.parametrize("ask", [dns.query.udp, dns.query.tcp])
def test_name_server_responds(lab: Lab, name: str, rcode: int, addresses: list[str], ask: Ask) -> None:
    query = dns.message.make_query(f"{name}.lab.test", "A")
    response = ask(query, "127.0.0.1", port=name_server_port(lab), timeout=5)
    assert response.rcode() == rcode
    assert sorted(str(record) for answer in response.answer for record in answer) == addresses


def test_name_server_sends_no_response_for_one_name(lab: Lab) -> None:
    with pytest.raises(dns.exception.Timeout):
        dns.query.udp(dns.message.make_query(SILENT, "A"), "127.0.0.1", port=name_server_port(lab), timeout=0.3)
