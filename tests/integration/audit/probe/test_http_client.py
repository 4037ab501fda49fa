"""One HTTP exchange keeps its limits whatever a server or a proxy does, also over TLS and through proxies."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from functools import partial

import pytest

from audit.probe.deadline import Deadline, Stopped
from audit.probe.http.client import HttpResponse, RequestLimits, Route, exchange
from audit.probe.http.request import FetchError, HttpRequest
from tests.support.http.scripted_server import Say, answering, conversing, saying, tunnel
from tests.support.probe.tls_servers import closed_port
from tests.support.x509.server_tls import ServerTls, server_tls

HERE = ("127.0.0.1",)
HEAD = b"HTTP/1.1 200 OK\r\n"


def limits(seconds: float = 5.0, stop: threading.Event | None = None) -> RequestLimits:
    return RequestLimits(Deadline.after(seconds), 1000, stop or threading.Event())


def content(url: str, route: Route, bounds: RequestLimits | None = None) -> bytes:
    with exchange(HttpRequest(url), route, bounds or limits()) as response:
        return response.read()


def fault(url: str, route: Route, bounds: RequestLimits | None = None) -> FetchError:
    with pytest.raises(FetchError) as caught:
        content(url, route, bounds)
    return caught.value


@pytest.fixture(scope="module")
def localhost(tmp_path_factory: pytest.TempPathFactory) -> ServerTls:
    return server_tls(tmp_path_factory.mktemp("tls"), "localhost")


def by(anchor: str, proxy: str = "") -> Route:
    return Route(HERE, trust=partial(ssl.create_default_context, cafile=anchor), proxy=proxy)


def test_request_is_not_sent_to_an_address_that_is_not_accepted() -> None:
    seen: list[str] = []

    def refuse(address: str) -> bool:
        seen.append(address)
        return False

    with conversing(answering(b"content")) as server:
        assert fault(server.url(), Route(HERE, accepts=refuse)).kind == "address"
    assert (seen, "".join(server.heads)) == (["127.0.0.1"], "")


def test_next_address_is_tried_where_one_refuses_the_connection() -> None:
    with conversing(answering(b"content")) as server:
        assert content(server.url(), Route(("127.0.0.99", *HERE))) == b"content"


def test_fault_of_the_last_address_is_reported() -> None:
    with closed_port() as port:
        error = fault(f"http://localhost:{port}/", Route(("127.0.0.98", "127.0.0.99")))
    assert (error.kind, str(error), error.detail) == (
        "connect", "127.0.0.99: connection refused", "connection refused"
    )  # fmt: skip


@pytest.mark.parametrize(
    ("say", "kind"),
    [
        (saying(b"HTTP/1.1 100 Continue\r\n\r\n" * 20_000), "too-much"),
        (saying(HEAD, b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"X: y\r\n" * 100_000), "too-much"),
        (saying(HEAD, b"Transfer-Encoding: chunked\r\n\r\n1;", b"x" * 200_000), "broken"),
        (saying(HEAD, b"X: ", b"y" * 300_000), "broken"),
    ],
    ids=["interim responses", "trailers", "chunk extension", "header line"],
)
def test_endless_framing_is_not_read_to_its_end(say: Say, kind: str) -> None:
    with conversing(say) as server:
        assert fault(server.url(), Route(HERE)).kind == kind


def test_content_that_ends_without_close_notify_is_whole(localhost: ServerTls) -> None:
    with conversing(saying(HEAD, b"\r\ncontent"), context=localhost.context) as server:
        assert content(f"https://localhost:{server.port}/", by(localhost.ca_file)) == b"content"


def test_certificate_of_another_name_is_refused_before_the_request(localhost: ServerTls) -> None:
    with conversing(answering(b"content"), context=localhost.context) as server:
        error = fault(f"https://127.0.0.1:{server.port}/", by(localhost.ca_file))
    assert (error.kind, "IP address mismatch" in error.detail, server.heads) == ("tls", True, [])


def test_proxy_over_https_gets_the_request_through_tls(localhost: ServerTls) -> None:
    with conversing(answering(b"content"), context=localhost.context) as proxy:
        route = by(localhost.ca_file, f"https://localhost:{proxy.port}")
        assert content("http://ca.invalid/a.crt", route) == b"content"
    assert proxy.heads[0].startswith("GET http://ca.invalid/a.crt HTTP/1.1\r\n")


def test_tls_runs_within_the_tls_of_a_proxy(localhost: ServerTls) -> None:
    with conversing(answering(b"content"), context=localhost.context) as server:
        pass_on = partial(tunnel, head=f"CONNECT 127.0.0.1:{server.port} HTTP/1.1")
        with conversing(pass_on, context=localhost.context) as proxy:
            route = by(localhost.ca_file, f"https://localhost:{proxy.port}")
            assert content(f"https://localhost:{server.port}/", route) == b"content"
    assert proxy.heads[0].startswith(f"CONNECT localhost:{server.port} HTTP/1.1\r\n")


def test_bytes_that_a_proxy_sends_ahead_of_tls_are_refused() -> None:
    with conversing(saying(b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\n\r\n")) as proxy:
        error = fault("https://ca.invalid/", Route(HERE, proxy=f"http://127.0.0.1:{proxy.port}"))
    assert (error.kind, "follow the proxy's response" in error.detail) == ("broken", True)


def test_request_that_is_not_read_ends_at_the_deadline() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        began = time.monotonic()
        request = HttpRequest(f"http://127.0.0.1:{server.getsockname()[1]}/", b"x" * 50_000_000)
        with pytest.raises(FetchError) as caught, exchange(request, Route(HERE), limits(0.5)):
            pytest.fail("there is a response to a request that was not read")
    assert (caught.value.kind, time.monotonic() - began < 20) == ("timeout", True)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_stop_ends_a_handshake_and_a_wait_for_a_response(scheme: str) -> None:
    stop = threading.Event()
    timer = threading.Timer(0.2, stop.set)
    with socket.create_server(("127.0.0.1", 0)) as server:
        timer.start()
        began = time.monotonic()
        with pytest.raises(Stopped):
            content(f"{scheme}://127.0.0.1:{server.getsockname()[1]}/", Route(HERE), limits(100.0, stop))
        assert time.monotonic() - began < 30
    timer.join()


def test_error_keeps_the_beginning_of_the_response() -> None:
    with conversing(saying(b"SSH-2.0-OpenSSH_9.2\r\n")) as server:
        assert fault(server.url(), Route(HERE)).beginning == b"SSH-2.0-OpenSSH_9.2\r\n"


def test_beginning_of_a_response_is_read_whatever_follows() -> None:
    with (
        conversing(saying(HEAD, b"Content-Length: 99999\r\n\r\n", b"x" * 3000)) as server,
        exchange(HttpRequest(server.url()), Route(HERE), limits()) as response,
    ):
        assert isinstance(response, HttpResponse)
        assert response.beginning() == b"x" * 1000


def test_secret_of_a_request_is_hidden_in_header_fields_of_the_response() -> None:
    with conversing(answering(b"", "Location: /?t=a-token-of-ours")) as server:
        request = HttpRequest(server.url(), headers=(("Authorization", "Bearer a-token-of-ours"),))
        with exchange(request, Route(HERE, secrets=("a-token-of-ours",)), limits()) as response:
            assert response.header("location") == "/?t=[secret]"
    assert "a-token-of-ours" not in repr(request)
    assert "\r\nAuthorization: Bearer a-token-of-ours\r\n" in server.heads[0]
