"""URLs of certificates are fetched once, within limits and from the Internet only; every fault is a value."""

from __future__ import annotations

import re
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from audit.probe.http.fetch import Fetched, Fetcher, FetchPolicy, Unfetched, may_be_called
from audit.probe.http.request import HttpRequest
from audit.redaction import Secrets
from tests.support.http.scripted_server import Say, answering, conversing, saying
from tests.support.probe.tls_servers import closed_port
from tests.support.x509.server_tls import server_tls

ANYWHERE = FetchPolicy(allow_private=True, deadline_s=40.0, max_bytes=1000)
HEAD = b"HTTP/1.1 200 OK\r\n"


def fault(found: Fetched | Unfetched) -> tuple[str, str]:
    assert isinstance(found, Unfetched), found
    return found.kind, found.detail


def redirect(to: str) -> Say:
    return answering(b"", f"Location: {to}", status="302 Found")


@pytest.mark.parametrize(
    "say",
    [
        answering(b"content"), saying(HEAD, b"\r\ncontent"),
        saying(HEAD, b"Transfer-Encoding: chunked\r\n\r\n4\r\ncont\r\n3\r\nent\r\n0\r\n\r\n"),
    ],
    ids=["length", "to the end", "chunked"],
)  # fmt: skip
def test_whole_response_is_returned(say: Say) -> None:
    with conversing(say) as server:
        assert Fetcher(ANYWHERE).get(server.url("/a b?c=ü")) == Fetched(server.url("/a b?c=ü"), b"content")
    assert server.heads[0].splitlines()[:2] == ["GET /a%20b?c=%C3%BC HTTP/1.1", f"Host: 127.0.0.1:{server.port}"]


def test_fetched_url_is_not_fetched_again_in_any_thread_of_the_run() -> None:
    def slowly(connection: socket.socket) -> None:
        time.sleep(0.2)
        answering(b"content")(connection)

    with conversing(slowly) as server, ThreadPoolExecutor(4) as pool:
        fetcher = Fetcher(ANYWHERE)
        assert {*pool.map(fetcher.get, [server.url()] * 4)} == {Fetched(server.url(), b"content")}
        assert len(server.heads) == 1
        fetcher.fetch(HttpRequest(server.url(), b"question", "application/ocsp-request"))
    assert server.heads[1].startswith("POST /ca.crt HTTP/1.1\r\n")
    assert "Content-Type: application/ocsp-request\r\nContent-Length: 8\r\n" in server.heads[1]


@pytest.mark.parametrize(
    ("say", "kind", "words"),
    [
        (answering(b"", status="404 Not Found"), "status", "returns 404"),
        (answering(b"x" * 1001), "too-much", "1001 bytes are announced"),
        (saying(HEAD, b"\r\n", b"x" * 100_000), "too-much", "more than 1000 bytes"),
        (saying(HEAD, b"Content-Length: 9\r\n\r\n12345"), "broken", "cut short by 4 bytes"),
        (saying(b"SSH-2.0-OpenSSH_9.2\r\n"), "broken", "no complete HTTP response"),
        (saying(b""), "broken", "no complete HTTP response"),
        (saying(HEAD, b"X: y\r\n" * 200, b"\r\n"), "broken", "100 headers"),
        (answering(b"x", "Content-Encoding: gzip"), "broken", "not requested"),
        (saying(HEAD, b"Transfer-Encoding: chunked\r\n\r\nzz\r\n"), "broken", "no complete HTTP response"),
    ],
    ids=["status", "announced", "endless", "cut", "no HTTP", "nothing", "headers", "encoded", "chunks"],
)
def test_faulty_response_is_a_value(say: Say, kind: str, words: str) -> None:
    with conversing(say) as server:
        found = fault(Fetcher(ANYWHERE).get(server.url()))
    assert (found[0], words in found[1]) == (kind, True), found


def test_slow_server_is_dropped_at_the_deadline_and_at_a_stop() -> None:
    def dribble(connection: socket.socket) -> None:
        connection.sendall(HEAD + b"\r\n")
        while True:
            connection.sendall(b"x")
            time.sleep(0.05)

    stop = threading.Event()
    timer = threading.Timer(0.3, stop.set)
    with conversing(dribble) as server:
        began = time.monotonic()
        assert fault(Fetcher(FetchPolicy(allow_private=True, deadline_s=0.5)).get(server.url()))[0] == "timeout"
        timer.start()
        assert fault(Fetcher(ANYWHERE, stop).get(server.url()))[0] == "stopped"
        assert time.monotonic() - began < 20
    timer.join()


def test_redirects_are_followed_three_times_and_to_http_only() -> None:
    with conversing(redirect("/1"), redirect("/2"), redirect("/3"), answering(b"content")) as server:
        assert Fetcher(ANYWHERE).get(server.url("/0")) == Fetched(server.url("/0"), b"content")
    with conversing(redirect("/again")) as server:
        assert fault(Fetcher(ANYWHERE).get(server.url()))[0] == "redirects"
        assert len(server.heads) == 4


@pytest.mark.parametrize(
    ("location", "kind"),
    [("file:///etc/passwd", "url"), ("http://[", "url"), ("http://169.254.169.254/latest/meta-data/", "address")],
)
def test_redirect_to_a_forbidden_url_is_not_followed(location: str, kind: str) -> None:
    with conversing(redirect(location)) as server:
        assert fault(Fetcher(ANYWHERE).get(server.url()))[0] == kind
        assert len(server.heads) == 1


@pytest.mark.parametrize(
    "url",
    ["ftp://a.example/", "ldap:///CN=x", "http://", "http://u:p@a.example/", "http://a\x00b/", "http://[::1", "x", ""],
)
def test_url_that_is_not_http_is_not_requested(url: str) -> None:
    assert fault(Fetcher(ANYWHERE).get(url))[0] == "url"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.1", "[::ffff:127.0.0.1]"])
def test_url_of_a_private_address_is_not_requested_unless_allowed(host: str) -> None:
    with conversing(answering(b"content")) as server:
        kind, detail = fault(Fetcher(FetchPolicy()).get(server.url(host=host)))
        assert (kind, "no certificate may make" in detail, server.heads) == ("address", True, [])


def test_redirect_to_a_private_address_is_not_followed() -> None:
    with conversing(answering(b"secret")) as inner, conversing(redirect(inner.url(host="127.0.0.2"))) as server:
        assert fault(Fetcher(FetchPolicy(spared=frozenset({"127.0.0.1"}))).get(server.url()))[0] == "address"
        assert (len(server.heads), inner.heads) == (1, [])


@pytest.mark.parametrize(
    "address",
    [
        "93.184.216.34", "2606:2800:220:1::1",
        "64:ff9b::5db8:d822", "::5db8:d822", "::ffff:0:93.184.216.34",  # translated, compatible and translated IPv4
        "2001:0:5db8:d822::a247:27dd",  # Teredo: 93.184.216.34 serves 93.184.216.34
    ],
)  # fmt: skip
def test_address_of_the_internet_is_allowed(address: str) -> None:
    assert may_be_called(address)


@pytest.mark.parametrize(
    "address",
    [
        "10.0.0.1", "127.8.8.8", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1", "255.255.255.255",
        "::", "::1", "fe80::1%eth0", "fd00::1", "ff02::1", "2002:7f00:1::",
        "::10.0.0.1", "::ffff:10.0.0.1", "::ffff:0:10.0.0.1", "64:ff9b::a00:1",
        "64:ff9b:1::5db8:d822",  # local-use prefix, whatever address it contains
        "2001:0:5db8:d822::f5ff:fffe",  # Teredo: it serves 10.0.0.1
        "2001:0:a00:1::a247:27dd",  # Teredo: 10.0.0.1 serves
    ],
)  # fmt: skip
def test_address_outside_the_internet_is_not_allowed(address: str) -> None:
    assert not may_be_called(address)


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254", "fe80::1", "febf::1", "::169.254.169.254", "::ffff:169.254.169.254",
        "::ffff:0:169.254.169.254", "64:ff9b::169.254.169.254", "64:ff9b:1::169.254.169.254",
        "64:ff9b:1:a9fe:a9:fe00::", "64:ff9b:1:a9:fe:a9fe::",  # behind prefixes of 48 and 56 bits
        "64:ff9b:1:0:a9:fea9:fe00:0", "2002:a9fe:a9fe::1", "2001:0:a9fe:a9fe::", "2001:0:5db8:d822::5601:5601",
    ],
)  # fmt: skip
def test_link_local_address_is_not_requested_even_if_private_ones_are(address: str) -> None:
    host = f"[{address}]" if ":" in address else address
    for proxy in (None, "http://127.0.0.1:9"):
        policy = FetchPolicy(allow_private=True, spared=frozenset({address}), proxy=proxy, deadline_s=2.0)
        kind, detail = fault(Fetcher(policy).get(f"http://{host}/latest/meta-data/"))
        assert (kind, "no certificate may make" in detail, "allow_private" in detail) == ("address", True, False)


@pytest.mark.parametrize(
    "host", ["0xa9fea9fe", "2852039166", "0251.0376.0251.0376", "169.254.43518", "0xA9.254.0xa9fe"]
)
def test_link_local_address_in_another_notation_is_not_sent_to_the_proxy(host: str) -> None:
    with conversing(answering(b"credentials")) as proxy:
        policy = FetchPolicy(allow_private=True, proxy=f"http://127.0.0.1:{proxy.port}", deadline_s=5.0)
        assert fault(Fetcher(policy).get(f"http://{host}/latest/meta-data/"))[0] == "address"
        assert proxy.heads == []


def test_proxy_gets_foreign_requests_with_our_user_agent() -> None:
    with conversing(answering(b"content")) as proxy:
        policy = FetchPolicy(proxy=f"http://user:pass%20word@127.0.0.1:{proxy.port}")
        assert isinstance(Fetcher(policy).get("http://ca.invalid:81/a.crt"), Fetched)
        assert fault(Fetcher(policy).get("http://169.254.169.254/latest/"))[0] == "address"
    lines = proxy.heads[0].splitlines()
    assert lines[:2] == ["GET http://ca.invalid:81/a.crt HTTP/1.1", "Host: ca.invalid:81"]
    assert "Proxy-Authorization: Basic dXNlcjpwYXNzIHdvcmQ=" in lines
    assert len(proxy.heads) == 1


def test_proxy_without_connect_is_reported() -> None:
    with conversing(answering(b"", status="403 Forbidden")) as proxy:
        found = Fetcher(FetchPolicy(proxy=f"http://127.0.0.1:{proxy.port}")).get("https://ca.invalid/a.crt")
    assert (fault(found)[0], "403 Forbidden" in fault(found)[1]) == ("connect", True)
    assert proxy.heads[0].startswith("CONNECT ca.invalid:443 HTTP/1.1\r\nHost: ca.invalid:443\r\n")


@pytest.mark.parametrize("url", ["http://ca.invalid/a.crt", "https://ca.invalid/a.crt"])
@pytest.mark.parametrize("echo", ["pass word", "dXNlcjpwYXNzIHdvcmQ=", "pass%20word", "me&#58;pass&#x20;word"])
@pytest.mark.parametrize(
    "status", ["{echo}", "407 {echo}", "302 Found\r\nLocation: gopher://x/{echo}", "407 {far}{echo}"]
)
def test_password_that_the_proxy_repeats_is_in_no_message(url: str, echo: str, status: str) -> None:
    response = status.format(echo=echo, far="x" * 270)
    with conversing(answering(b"", status=response), answering(b"", status=response)) as proxy:
        found = Fetcher(FetchPolicy(proxy=f"http://user:pass%20word@127.0.0.1:{proxy.port}")).get(url)
    assert b"dXNlcjpwYXNzIHdvcmQ=" in proxy.heads[0].encode()
    assert not Secrets(("pass word", "pass%20word")).are_in(str(found).encode())
    assert not re.findall("pass|pwYX", str(found))


@pytest.mark.parametrize(
    "proxy", ["ftp://me:pass-word@proxy.example", "http://me:pass-word@pro xy", "http://me:pass-word@h:x"]
)
def test_unusable_proxy_is_reported_without_its_password(proxy: str) -> None:
    found = fault(Fetcher(FetchPolicy(proxy=proxy)).get("http://ca.invalid/a.crt"))
    assert "pass-word" not in str(found)


def test_refused_connection_and_unknown_name_are_values() -> None:
    with closed_port() as port:
        assert fault(Fetcher(ANYWHERE).get(f"http://127.0.0.1:{port}/"))[0] == "connect"
    assert fault(Fetcher(ANYWHERE).get("http://ca.invalid/"))[0] == "resolve"


def test_https_requires_a_trusted_certificate_of_the_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tls = server_tls(tmp_path, "localhost")
    with conversing(answering(b"content"), context=tls.context) as server:
        url = f"https://localhost:{server.port}/"
        assert fault(Fetcher(ANYWHERE).get(url))[0] == "tls"
        monkeypatch.setenv("SSL_CERT_FILE", tls.ca_file)
        assert Fetcher(ANYWHERE).get(url) == Fetched(url, b"content")
        assert fault(Fetcher(ANYWHERE).get(f"https://127.0.0.1:{server.port}/"))[0] == "tls"
