"""The self-test requests the validation file at each address, and reports every hop and fault."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from remediate.challenges import ProbeSettings
from remediate.hosts.workdir import HostWorkdir
from tests.support.http.scripted_server import Say, conversing, saying
from tests.support.http.websites import Website, serving_website
from tests.support.remediate.challenge_files import ChallengeFile

HERE = "127.0.0.1"


@pytest.fixture
def challenge(tmp_path: Path) -> ChallengeFile:
    return ChallengeFile(HostWorkdir("web1", "c", "test"), str(tmp_path))


@pytest.fixture
def website() -> Iterator[Website]:
    with serving_website() as running:
        yield running


def publish(website: Website, challenge: ChallengeFile, end: str = "\n") -> None:
    website.files[challenge.path] = (challenge.body + end).encode()


@pytest.mark.parametrize("end", ["", "\n"])
def test_file_is_requested_by_address_with_its_host_name(website: Website, challenge: ChallengeFile, end: str) -> None:
    publish(website, challenge, end)
    (look,) = challenge.self_test((HERE,), ProbeSettings(website.port))
    assert (look.verdict, look.address) == ("good", HERE)
    ((_, host, agent),) = website.requests
    assert (host, agent) == ("www.shop.example", "sslaudit (self-test) SECTIGO DCV")
    url = f"http://www.shop.example{challenge.path}"
    assert look.command == f"curl --include --user-agent '{agent}' --connect-to ::{HERE}:{website.port} {url}"


def test_every_address_is_probed(website: Website, challenge: ChallengeFile) -> None:
    publish(website, challenge)
    looks = challenge.self_test((HERE, "::1"), ProbeSettings(website.port, own_addresses=frozenset({HERE, "::1"})))
    assert [look.verdict for look in looks] == ["good", "blocked"]
    assert "refused" in looks[1].detail


@pytest.mark.parametrize(("own", "verdict"), [((HERE,), "missing"), ((), "missing"), (("203.0.113.9",), "wrong-host")])
def test_wrong_host_is_distinguished_from_wrong_directory(
    website: Website, challenge: ChallengeFile, own: tuple[str, ...], verdict: str
) -> None:
    (look,) = challenge.self_test((HERE,), ProbeSettings(website.port, own_addresses=frozenset(own)))
    assert look.verdict == verdict
    assert "404" in str(look)


def test_other_body_is_quoted(website: Website, challenge: ChallengeFile) -> None:
    website.files[challenge.path] = b"<html>parked\x1b[2J</html>"
    (look,) = challenge.self_test((HERE,), ProbeSettings(website.port))
    assert look.verdict == "altered"
    assert "<html>parked" in look.detail
    assert str(look).replace("\n", "").isprintable()


def test_every_hop_of_a_redirect_is_listed(website: Website, challenge: ChallengeFile) -> None:
    path = challenge.path
    website.redirects = {path: "/login", "/login": "https://www.shop.example/login"}
    (look,) = challenge.self_test((HERE,), ProbeSettings(website.port))
    assert look.verdict == "redirected"
    first, second = map(str, look.hops)
    assert first.startswith(f"http://www.shop.example{path} at {HERE}: 302")
    assert second.endswith("to https://www.shop.example/login")
    assert look.detail == "the CA follows no redirect: it is sent to https://www.shop.example/login"


def test_redirect_to_the_right_file_proves_nothing(website: Website, challenge: ChallengeFile) -> None:
    website.files["/moved.txt"] = challenge.body.encode()
    website.redirects = {challenge.path: "/moved.txt"}
    (look,) = challenge.self_test((HERE,), ProbeSettings(website.port))
    assert (look.verdict, len(look.hops)) == ("redirected", 2)


def test_endless_redirect_ends(website: Website, challenge: ChallengeFile) -> None:
    website.redirects = {challenge.path: challenge.path}
    (look,) = challenge.self_test((HERE,), ProbeSettings(website.port))
    assert (look.verdict, len(look.hops)) == ("redirected", 5)


@pytest.mark.parametrize(
    "location", ["http://www.shop.example:99999/", "http://www.shop.example:8080/", "http://[::bad/", "ftp://x/"]
)
def test_redirect_to_another_website_is_noted_and_not_followed(
    website: Website, challenge: ChallengeFile, location: str
) -> None:
    website.redirects = {challenge.path: location}
    (look,) = challenge.self_test((HERE,), ProbeSettings(website.port))
    assert (look.verdict, len(look.hops)) == ("redirected", 1)
    assert str(look.hops[0]).endswith(f"to {location}")


def test_redirect_that_names_port_80_is_followed(website: Website, challenge: ChallengeFile) -> None:
    website.redirects = {challenge.path: "http://www.shop.example:80/gone"}
    (look,) = challenge.self_test((HERE,), ProbeSettings(website.port))
    assert [str(hop).split(": ")[1][:3] for hop in look.hops] == ["302", "404"]


def test_unknown_address_without_a_response_is_reported(challenge: ChallengeFile) -> None:
    (look,) = challenge.self_test(("::1",), ProbeSettings(9, own_addresses=frozenset({HERE})))
    assert (look.verdict, look.detail) == ("blocked", "connection refused; ::1 is not a known address of the host")


def test_no_address_is_probed_after_the_stop(website: Website, challenge: ChallengeFile) -> None:
    stop = threading.Event()
    stop.set()
    assert challenge.self_test((HERE,), ProbeSettings(website.port, stop=stop)) == ()
    assert website.requests == []


def test_stop_ends_a_running_request(challenge: ChallengeFile) -> None:
    stop = threading.Event()

    def stop_and_hang(connection: socket.socket) -> None:
        stop.set()
        connection.recv(1)

    begun = time.monotonic()
    with conversing(stop_and_hang) as server:
        assert challenge.self_test((HERE,), ProbeSettings(server.port, deadline_s=100, stop=stop)) == ()
    assert time.monotonic() - begun < 30


def drip(connection: socket.socket) -> None:
    while True:
        connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
        time.sleep(0.05)


def flood(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")
    while True:
        connection.sendall(b"x" * 65_536)


@pytest.mark.parametrize(
    ("say", "verdict", "said"),
    [
        (saying(b"HTTP/1.1 403 Forbidden\r\nServer: waf\r\n\r\n"), "forbidden", "403"),
        (saying(b"HTTP/1.1 503 Busy\r\n\r\n"), "broken", "503"),
        (saying(b"220 mail.example ESMTP\r\n"), "broken", "220 mail"),
        (
            saying(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nxy"),
            "broken",
            "cut short by 7 bytes; the response begins 'HTTP/1.1 200 OK",
        ),
        (lambda connection: connection.close(), "blocked", ""),
        (lambda connection: connection.recv(1), "blocked", "no response within 1.5 s"),
        (drip, "broken", "no complete response"),
        (flood, "broken", "100000000 bytes are announced, at most 16384 are read"),
    ],
    ids=["denied", "busy", "mail", "cut", "closed", "silent", "drip", "flood"],
)
def test_faulty_responses_are_distinguished_and_end_in_time(
    challenge: ChallengeFile, say: Say, verdict: str, said: str
) -> None:
    begun = time.monotonic()
    with conversing(say) as server:
        (look,) = challenge.self_test((HERE,), ProbeSettings(server.port, deadline_s=1.5))
    assert (look.verdict, said in look.detail) == (verdict, True), look
    assert time.monotonic() - begun < 20


def test_connection_kept_open_is_not_waited_for(challenge: ChallengeFile) -> None:
    body = challenge.body.encode()

    def keep(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        connection.recv(1)

    begun = time.monotonic()
    with conversing(keep) as server:
        (look,) = challenge.self_test((HERE,), ProbeSettings(server.port, deadline_s=60))
    assert (look.verdict, time.monotonic() - begun < 40) == ("good", True)


@pytest.mark.parametrize("address", ["169.254.169.254", "fe80::1", "::ffff:169.254.169.254"])
def test_link_local_address_is_not_probed(challenge: ChallengeFile, address: str) -> None:
    (look,) = challenge.self_test((address,), ProbeSettings(1))
    assert (look.verdict, "is not probed" in look.detail) == ("blocked", True)
