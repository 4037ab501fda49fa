"""How the issuer `store` connects to a Store, and that no other party gets the token."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from audit.redaction import Secrets
from remediate.issuers import BadIssuer, IssuerEndpoint, Order, OrderRef
from remediate.issuers.store import Store
from tests.support.http.scripted_server import Say, answering, conversing, tunnel
from tests.support.secret_encodings import SLASHED, encodings
from tests.support.store.clients import TOKEN, client, fault
from tests.support.store.order_requests import csr, request
from tests.support.store.server import Store as StrictStore


class TestConnection:
    """The connection is HTTPS, and the environment changes nothing."""

    @pytest.mark.parametrize(
        ("url", "why"),
        [
            ("http://store.example.com/api", "would be sent unencrypted"),
            ("http://127.0.0.1.example.com", "would be sent unencrypted"),
            ("http://[2001:db8::1]/api", "would be sent unencrypted"),
            ("ftp://store.example.com", "write a base URL such as https://store.example.com/api"),
            ("store.example.com", "write a base URL"),
            ("https://", "write a base URL"),
            ("https://store.example.com/api?token=hush", "nothing after the path"),
            ("https://[store.example.com/api", "its host or port is invalid"),
            ("https://me:hush", "its host or port is invalid"),
            ("https://me:hush@store.example.com/api", "the URL holds a user"),
        ],
    )
    def test_unsafe_base_url_is_refused_with_its_fault(self, url: str, why: str) -> None:
        with pytest.raises(BadIssuer, match=why) as caught:
            Store(IssuerEndpoint(url, lambda: TOKEN))
        assert "hush" not in str(caught.value)

    @pytest.mark.parametrize(
        "url", ["http://127.0.0.1:1", "http://[::1]:1/api", "http://localhost", "https://a.example"]
    )
    def test_plain_http_to_loopback_is_accepted(self, url: str) -> None:
        assert repr(Store(IssuerEndpoint(url, lambda: TOKEN))) == f"<Store {url}>"

    def test_plain_http_through_a_proxy_is_refused(self) -> None:
        with pytest.raises(BadIssuer, match="the proxy would get the token"):
            Store(IssuerEndpoint("http://127.0.0.1:1", lambda: TOKEN, proxy="http://proxy.example"))

    def test_order_is_placed_over_https_with_the_configured_ca_file(self, strict: StrictStore) -> None:
        assert isinstance(client(strict).place(request()), Order)

    def test_untrusted_server_receives_no_request(self, strict: StrictStore) -> None:
        answer = fault(client(strict, ca_file=None).place(request()))
        assert answer.kind == "unreachable"
        assert "TLS: " in answer.detail
        assert strict.requests == []

    def test_missing_ca_file_is_named(self, strict: StrictStore) -> None:
        assert "/nowhere.pem" in fault(client(strict, ca_file="/nowhere.pem").find(csr())).detail

    def test_environment_variables_are_ignored(
        self, strict: StrictStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password other\n")
        (tmp_path / "netrc").chmod(0o600)
        environment = {"HTTPS_PROXY": "http://127.0.0.1:1", "ALL_PROXY": "http://127.0.0.1:1"}
        files = {"NETRC": str(tmp_path / "netrc"), "REQUESTS_CA_BUNDLE": "/nowhere.pem", "CURL_CA_BUNDLE": "/no.pem"}
        for name, value in {**environment, **files}.items():
            monkeypatch.setenv(name, value)
        assert client(strict).find(csr()) is None

    def test_configured_proxy_is_used(self, strict: StrictStore) -> None:
        with conversing(respond=tunnel) as proxy:
            assert client(strict, proxy=f"http://127.0.0.1:{proxy.port}").find(csr()) is None
        (head,) = proxy.heads
        assert head.startswith("CONNECT 127.0.0.1:")
        assert TOKEN not in head

    def test_slow_proxy_is_dropped_at_the_deadline(self, strict: StrictStore) -> None:
        def dribble(connection: Any) -> None:  # noqa: ANN401 - a socket
            for octet in b"HTTP/1.1 200 " + b"x" * 600:
                connection.sendall(bytes([octet]))
                time.sleep(0.1)

        with conversing(dribble) as proxy:
            began = time.monotonic()
            answer = fault(client(strict, proxy=f"http://127.0.0.1:{proxy.port}", deadline_s=0.5).find(csr()))
        assert time.monotonic() - began < 30
        assert answer.detail == "no complete response within 0.5 s"

    def test_slow_tls_server_is_dropped_at_the_deadline(self, strict: StrictStore) -> None:
        strict.misbehave("dribble")
        began = time.monotonic()
        answer = fault(client(strict, deadline_s=1.5).find(csr()))
        assert time.monotonic() - began < 30
        assert (answer.kind, answer.detail) == ("unreachable", "no complete response within 1.5 s")


def refusing(error: dict[str, object] | str) -> Say:
    """Return a Store that refuses everything; text goes into the JSON as it is, escapes included."""
    words = json.dumps(error) if isinstance(error, dict) else error
    return answering(f'{{"error": {words}}}', "422 Unprocessable")


def ordered(**members: object) -> Say:
    """Return a Store that answers with an order."""
    order = {"id": "order-1", "status": "issued", "status_message": "", "created": "2026-11-23T10:00:00Z",
             "retry_after_s": None, "certificate": "none", "ca_bundle": None}  # fmt: skip
    return answering(json.dumps(order | members))


RESPONSES: Final[Mapping[str, Callable[[str], Say]]] = {
    "the message": lambda text: refusing({"message": f"no {text} here"}),
    "the message, unparsed": lambda text: refusing(f'{{"message": "{re.sub(chr(34), "", " ".join(text.split()))}"}}'),
    "the end of what is passed on": lambda text: refusing({"message": f"{'x' * 490} {text}"}),
    "a refused field": lambda text: refusing({"message": "no", "fields": {text: "no"}}),
    "why a field is refused": lambda text: refusing({"message": "no", "fields": {"names": text}}),
    "a body that is not JSON": lambda text: answering(f"<p>{text}"),
    "the end of a body that is not JSON": lambda text: answering(f"{'x' * 50} {text}"),
    "a redirect": lambda text: answering("", f"Location: /login?token={' '.join(text.split())}", status="302 Found"),
    "the content type": lambda text: answering("<p>", f"Content-Type: {' '.join(text.split())}"),
    "the words of an order": lambda text: ordered(status_message=text),
    "the id of an order": lambda text: ordered(id=text),
    "the status of an order": lambda text: ordered(status=text),
    "the time of an order": lambda text: ordered(created=text),
    "a member of the wrong type": lambda text: ordered(certificate=[text]),
    "the certificate of an order": lambda text: ordered(certificate=text, ca_bundle=text),
}


class TestToken:
    """The token is sent to the Store alone and is in no message."""

    def test_redirect_is_not_followed(self, strict: StrictStore) -> None:
        strict.misbehave("redirect")
        answer = fault(client(strict).place(request()))
        assert answer.kind == "broken"
        assert "/elsewhere, not followed" in answer.detail
        assert [each.path for each in strict.requests] == ["/api/v1/orders"]

    def test_repeated_token_is_hidden(self, strict: StrictStore) -> None:
        strict.misbehave("forbidden")
        answer = fault(client(strict).place(request()))
        assert answer.kind == "authentication"
        assert answer.detail == "HTTP 403: Bearer [token] may not order"

    @pytest.mark.parametrize("form", encodings(SLASHED))
    @pytest.mark.parametrize("response", RESPONSES)
    def test_token_is_hidden_wherever_and_however_the_store_repeats_it(self, response: str, form: str) -> None:
        with conversing(RESPONSES[response](encodings(SLASHED)[form])) as store:
            issuer = Store(IssuerEndpoint(f"http://127.0.0.1:{store.port}", lambda: SLASHED, deadline_s=5.0))
            answer = issuer.fetch(OrderRef("order-1", request()))
        assert store.heads[0].count(f"Authorization: Bearer {SLASHED}\r\n") == 1
        text = f"{answer} {answer!r} {getattr(answer, 'issued', '')}"
        assert answer is not None
        assert not Secrets((SLASHED,)).are_in(text.encode())
        assert SLASHED[:12] not in text
        assert SLASHED[-12:] not in text

    def test_password_that_the_proxy_repeats_is_hidden(self) -> None:
        with conversing(answering("", status="407 me:pass word is wrong, bWU6cGFzcyB3b3Jk")) as proxy:
            url = f"http://me:pass%20word@127.0.0.1:{proxy.port}"
            access = IssuerEndpoint("https://store.invalid", lambda: TOKEN, proxy=url, deadline_s=5.0)
            answer = fault(Store(access).find(csr()))
        assert "Proxy-Authorization: Basic bWU6cGFzcyB3b3Jk" in proxy.heads[0]
        assert "407" in answer.detail
        assert not Secrets(("pass word",)).are_in(answer.detail.encode())

    @pytest.mark.parametrize("token", ["", "two words", "line\r\nX-Other: 1", "schlüssel", "\ud800"])
    def test_token_that_no_header_can_carry_is_not_sent(self, strict: StrictStore, token: str) -> None:
        issuer = Store(IssuerEndpoint(strict.base_url, lambda: token, ca_file=str(strict.ca_file)))
        answer = fault(issuer.find(csr()))
        assert answer.kind == "authentication"
        assert not token or token not in str(answer)
        assert strict.requests == []

    def test_token_is_read_for_every_request(self, strict: StrictStore) -> None:
        tokens = iter(["outdated", strict.token])
        issuer = Store(IssuerEndpoint(strict.base_url, lambda: next(tokens), ca_file=str(strict.ca_file)))
        assert fault(issuer.find(csr())).kind == "authentication"
        assert issuer.find(csr()) is None

    def test_token_and_proxy_password_are_not_in_the_repr(self) -> None:
        access = IssuerEndpoint("https://store.example.com", lambda: TOKEN, proxy="http://me:hush@proxy.example")
        assert TOKEN not in repr(access)
        assert "hush" not in repr(access)
