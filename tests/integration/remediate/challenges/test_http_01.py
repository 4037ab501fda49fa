"""The self-test of http-01: the file below /.well-known/acme-challenge/, whose CA follows redirects."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from remediate.challenges import ProbeResult, ProbeSettings, self_test
from remediate.model.authorization import Challenge
from tests.support.http.websites import Website, serving_website

HERE = "127.0.0.1"
PATH = "/.well-known/acme-challenge/to%20ken"


@pytest.fixture
def website() -> Iterator[Website]:
    with serving_website() as running:
        yield running


def seen(website: Website, identifier: str = "a.example", content: str = "token.print") -> ProbeResult:
    challenge = Challenge("http-01", identifier, "to ken", content)
    (result,) = self_test(challenge, (HERE,), ProbeSettings(website.port))
    return result


@pytest.mark.parametrize("content", ["token.print", "token.print\n", "line 1\nline 2", "pr\u00fcfen"])
def test_file_with_the_content_is_good(website: Website, content: str) -> None:
    website.files[PATH] = content.encode()
    assert seen(website, content=content).verdict == "good"
    assert website.requests[0][1] == "a.example"


def test_address_as_identifier_is_the_host_of_the_url(website: Website) -> None:
    website.files[PATH] = b"token.print"
    assert seen(website, "2001:db8::1").verdict == "good"
    assert website.requests[0][1] == "[2001:db8::1]"


@pytest.mark.parametrize(("body", "verdict"), [(b"other", "altered"), (None, "missing")])
def test_other_content_and_no_file_are_not_good(website: Website, body: bytes | None, verdict: str) -> None:
    if body is not None:
        website.files[PATH] = body
    assert seen(website).verdict == verdict


def test_stopped_run_has_no_result(website: Website) -> None:
    stop = threading.Event()
    stop.set()
    challenge = Challenge("http-01", "a.example", "token", "c")
    assert self_test(challenge, (HERE,), ProbeSettings(website.port, stop=stop)) == ()


def test_redirect_within_the_website_is_followed_as_the_ca_does(website: Website) -> None:
    website.redirects = {PATH: "/moved"}
    assert seen(website).verdict == "missing"
    website.files["/moved"] = b"token.print"
    assert seen(website).verdict == "good"


def test_redirect_to_another_website_is_inconclusive(website: Website) -> None:
    website.redirects = {PATH: "https://other.example/x"}
    result = seen(website)
    assert (result.verdict, len(result.hops)) == ("unseen", 1)
    assert result.detail == "the CA follows the redirect, and this test does not: it is sent to https://other.example/x"
