"""A proxy that keeps the CA from the validation file is named, with the fix."""

from __future__ import annotations

import pytest

from remediate.challenges import ProbeResult, ProbeSettings
from remediate.hosts.workdir import HostWorkdir
from tests.support.http.scripted_server import conversing, saying
from tests.support.remediate.challenge_files import ChallengeFile

HERE = "127.0.0.1"
CHALLENGE = ChallengeFile(HostWorkdir("web1", "c", "test"), "/srv/www/")
ADVICE = "let it pass /.well-known/pki-validation on as it is, or let the CA validate by DNS"


def ask(response: bytes) -> ProbeResult:
    """Return what the self-test finds at a server with this response."""
    with conversing(saying(response)) as server:
        (seen,) = CHALLENGE.self_test((HERE,), ProbeSettings(server.port))
    return seen


@pytest.mark.parametrize(
    ("head", "shows"),
    [
        (b"Server: cloudflare\r\nCF-Ray: 8f2-AMS", "Server: cloudflare, CF-Ray: 8f2-AMS"),
        (b"Via: 1.1 varnish\r\nServer: Apache", "Via: 1.1 varnish"),
        (b"Server: AkamaiGHost", "Server: AkamaiGHost"),
        (b"X-Sucuri-ID: 14005", "X-Sucuri-ID: 14005"),
        (b"via: " + b"v" * 90, f"via: {'v' * 40}"),
    ],
)
@pytest.mark.parametrize(
    ("first", "verdict"),
    [(b"403 Forbidden", "forbidden"), (b"404 Not Found", "missing"), (b"521 Down", "broken"), (b"200 OK", "altered")],
)
def test_proxy_with_another_response_is_named(head: bytes, shows: str, first: bytes, verdict: str) -> None:
    look = ask(b"HTTP/1.1 " + first + b"\r\n" + head + b"\r\nContent-Length: 4\r\n\r\nnope")
    assert (look.verdict, look.detail.endswith(f"; a proxy responds there ({shows}): {ADVICE}")) == (verdict, True), (
        look
    )


def test_redirect_made_by_a_proxy_is_attributed_to_it() -> None:
    look = ask(b"HTTP/1.1 301 Moved\r\nLocation: https://www.shop.example/\r\nServer: cloudflare\r\n\r\n")
    assert look.detail == (
        "the CA follows no redirect: it is sent to https://www.shop.example/; "
        f"a proxy responds there (Server: cloudflare): {ADVICE}"
    )


def test_transparent_proxy_and_own_server_are_not_mentioned() -> None:
    body = CHALLENGE.body.encode()
    good = ask(
        b"HTTP/1.1 200 OK\r\nServer: cloudflare\r\nVia: 1.1 x\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    )
    assert (good.verdict, good.detail) == ("good", "as written")
    assert "proxy" not in ask(b"HTTP/1.1 403 Forbidden\r\nServer: Apache/2.4\r\nContent-Length: 0\r\n\r\n").detail


def test_file_is_placed_below_its_directory() -> None:
    name = CHALLENGE.path.rpartition("/")[2]
    assert CHALLENGE.location == f"/srv/www/.well-known/pki-validation/{name}"
