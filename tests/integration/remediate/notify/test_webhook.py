"""A webhook is sent once over verified TLS, and again with the same id until the receiver has accepted it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from audit.config import BadConfiguration, ConfigSection, Configuration
from audit.config.schema import Fetch
from audit.redaction import Secrets
from remediate.notify.channels import read_channel, webhook
from remediate.notify.channels.base import Deferred, Delivered, DeliveryOutcome, Refused
from remediate.notify.channels.webhook import Webhook
from remediate.notify.channels.webhook_message import message_id, render_body
from tests.support.http.scripted_server import Say, answering, conversing, saying, silent, tunnel
from tests.support.notify.notifications import notification
from tests.support.notify.webhook_receiver import SECRET, receiving
from tests.support.x509.server_tls import ServerTls, server_tls

BODY = render_body(notification())
HEAD = b"HTTP/1.1 500 Oops\r\n"


def hook(url: str, **differing: Any) -> Webhook:  # noqa: ANN401 - the fields of a webhook
    """Return a webhook of that URL, with a deadline that a slow machine does not miss."""
    return Webhook("notify.ops", url, lambda: SECRET, **({"deadline_s": 60.0} | differing))


def outcome(channel: Webhook) -> DeliveryOutcome:
    """Send a message and return its outcome."""

    def commit() -> None:
        pytest.fail("a webhook can be sent again")

    (sent,) = channel.send(BODY, channel.recipients, commit).items()
    assert sent[0] == "notify.ops"
    return sent[1]


@pytest.fixture(scope="module")
def localhost(tmp_path_factory: pytest.TempPathFactory) -> ServerTls:
    return server_tls(tmp_path_factory.mktemp("tls"), "localhost")


def test_message_arrives_signed_over_tls(localhost: ServerTls) -> None:
    with receiving(localhost.context) as receiver:
        channel = hook(receiver.url(), ca_file=localhost.ca_file)
        assert outcome(channel) == Delivered(f"localhost:{receiver.port} responded 204")
        assert list(receiver.messages) == [message_id(BODY)]
        outcome(channel)
    assert len(receiver.requests) == 2
    assert len(receiver.messages) == 1, "the repeat has the same id"
    assert receiver.messages[message_id(BODY)]["data"]["state"] == "failed"


def test_receiver_with_another_certificate_gets_no_message(localhost: ServerTls, tmp_path: Path) -> None:
    other = server_tls(tmp_path, "other.example.com")
    for server, trusted in (
        (localhost.context, None),
        (localhost.context, other.ca_file),
        (other.context, other.ca_file),
    ):
        with receiving(server) as receiver:
            sent = outcome(hook(receiver.url(), ca_file=trusted))
        assert isinstance(sent, Deferred)
        assert "its certificate is not trusted, or TLS failed: localhost: " in sent.reason
        assert receiver.requests == []
    sent = outcome(hook("https://localhost:1/", ca_file=str(tmp_path / "missing.pem")))
    assert isinstance(sent, Deferred)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        *((status, Delivered) for status in (200, 202, 204, 299)),
        *((status, Refused) for status in (300, 302, 308, 400, 401, 403, 404, 410, 422, 499)),
        *((status, Deferred) for status in (408, 425, 429, 500, 502, 503, 504)),
    ],
)
def test_status_decides_the_outcome(status: int, kind: type[DeliveryOutcome]) -> None:
    with receiving() as receiver:
        receiver.status = status
        sent = outcome(hook(receiver.url()))
    assert type(sent) is kind
    assert f"localhost:{receiver.port} responded {status}" in str(sent)
    assert len(receiver.requests) == 1


def test_redirect_is_not_followed() -> None:
    with receiving() as elsewhere:
        redirect = answering(b"", f"Location: {elsewhere.url()}", status="307 Temporary Redirect")
        with conversing(redirect) as there:
            sent = outcome(hook(there.url("/hook")))
    assert elsewhere.requests == []
    assert sent == Refused(
        f"127.0.0.1:{there.port} responded 307: redirects are not followed; write the final URL as `url`"
    )
    assert there.heads[0].startswith("POST /hook HTTP/1.1\r\n")


@pytest.mark.parametrize(
    ("fields", "seconds"),
    [
        (("Retry-After: 7200",), 7_200),
        (("Date: Tue, 24 Nov 2026 02:00:00 GMT", "Retry-After: Tue, 24 Nov 2026 03:00:00 GMT"), 3_600),
        (("Retry-After: 99999999999",), 86_400),
        (("Retry-After: soon",), None),
        ((), None),
    ],
)
def test_retry_after_is_read(fields: tuple[str, ...], seconds: int | None) -> None:
    with conversing(answering(b"slow down", *fields, status="429 Too Many Requests")) as there:
        sent = outcome(hook(there.url()))
    assert sent == Deferred(f"127.0.0.1:{there.port} responded 429 slow down", seconds)


def endless(connection: Any) -> None:  # noqa: ANN401 - a socket, over TLS or not
    """Send a body that does not end, until the client leaves."""
    connection.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
    while True:
        connection.sendall(b"1000\r\n" + b"x" * 4096 + b"\r\n")


def endless_head(connection: Any) -> None:  # noqa: ANN401 - as above
    """Send header fields until the client leaves."""
    connection.sendall(HEAD)
    while True:
        connection.sendall(b"X-More: " + b"x" * 4000 + b"\r\n")


@pytest.mark.parametrize(
    ("say", "reason"),
    [
        (saying(b""), "no complete HTTP response"),
        (saying(b"HTTP/1.1 2"), "no complete HTTP response"),
        (saying(b"SSH-2.0-OpenSSH_9.9\r\n"), "no complete HTTP response"),
        (saying(HEAD, b"Content-Length: 10\r\n\r\nshort"), "responded 500"),
        (endless, "responded 500 xxxx"),
        (endless_head, " bytes were received without a complete "),
    ],
)
def test_broken_response_is_deferred_and_bounded(say: Say, reason: str) -> None:
    with conversing(say) as there:
        sent = outcome(hook(there.url()))
    assert isinstance(sent, Deferred)
    assert reason in sent.reason
    assert len(sent.reason) <= 300


def test_body_of_a_successful_response_is_not_read() -> None:
    def accept_and_send_on(connection: Any) -> None:  # noqa: ANN401 - as above
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9999999999\r\n\r\n")
        silent(connection)

    with conversing(accept_and_send_on) as there:
        assert isinstance(outcome(hook(there.url())), Delivered)


def test_silent_receiver_costs_the_deadline() -> None:
    with conversing(silent) as there:
        sent = outcome(hook(there.url(), deadline_s=0.4))
    assert sent == Deferred(f"127.0.0.1:{there.port}: no complete response within 0.4 s")


def test_deadline_is_ten_seconds_in_all() -> None:
    assert Webhook("notify.ops", "https://hooks.example.com", lambda: SECRET).deadline_s == 10.0


def test_receiver_that_does_not_listen_is_deferred() -> None:
    with conversing(saying(b"")) as there:
        url = there.url()
    sent = outcome(hook(url))
    assert isinstance(sent, Deferred)
    assert sent.reason.startswith(f"127.0.0.1:{there.port}: 127.0.0.1: ")


def test_response_is_one_printable_line_without_the_secret() -> None:
    said = f"bad\x1b[2J\r\nsignature with {SECRET} and {SECRET.removeprefix('whsec_')}".encode()
    with conversing(answering(said, status="401 Unauthorized")) as there:
        sent = outcome(hook(there.url()))
    assert sent == Refused(
        f"127.0.0.1:{there.port} responded 401 bad\N{REPLACEMENT CHARACTER}[2J signature with [secret] and [secret]"
    )


def test_secret_that_cannot_be_read_now_is_deferred() -> None:
    def missing() -> str:
        raise BadConfiguration("notify.ops.secret: others can read or change it")

    with receiving() as receiver:
        sent = [outcome(replace(hook(receiver.url()), secret=secret)) for secret in (missing, lambda: "hunter2")]
    assert sent[0] == Deferred("notify.ops.secret: others can read or change it")
    assert isinstance(sent[1], Deferred)
    assert "hunter2" not in sent[1].reason
    assert receiver.requests == []


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("http://localhost:1/", "192.0.2.1"),
        ("https://hooks.example.com/", "169.254.169.254"),
        ("https://hooks.example.com/", "fe80::1%eth0"),
        ("https://hooks.example.com/", "::ffff:169.254.169.254"),
    ],
)
def test_name_that_leads_to_a_forbidden_address_is_not_connected_to(
    monkeypatch: pytest.MonkeyPatch, url: str, address: str
) -> None:
    monkeypatch.setattr(webhook, "resolve_host", lambda *_: ("127.0.0.1", address))
    sent = outcome(hook(url))
    assert isinstance(sent, Deferred)
    assert sent.reason.endswith(f" leads to {address}, to which no webhook is sent")


def test_proxy_is_used_except_for_this_machine(monkeypatch: pytest.MonkeyPatch, localhost: ServerTls) -> None:
    with conversing(respond=tunnel) as proxy, receiving(localhost.context) as receiver:
        through = {"ca_file": localhost.ca_file, "proxy": f"http://127.0.0.1:{proxy.port}"}
        assert isinstance(outcome(hook(receiver.url(), **through)), Delivered)
        assert proxy.heads == []
        monkeypatch.setattr(webhook, "is_loopback_host", lambda _: False)
        assert isinstance(outcome(hook(receiver.url(), **through)), Delivered)
    assert proxy.heads[0].startswith("CONNECT localhost:")
    assert len(receiver.requests) == 2


def section(**table: object) -> ConfigSection:
    """Return the section `[notify.ops]` with these keys."""
    configuration = Configuration(fetch=Fetch(proxy="http://proxy.example.com:3128"))
    return ConfigSection(configuration, "notify.ops", {"kind": "webhook", "secret": {"env": "HOOK_SECRET"}, **table})


def opened(**table: object) -> Webhook:
    """Return the channel of that section."""
    channel = read_channel(section(**table)).open(section(**table), Secrets(("hunter2",)))
    assert isinstance(channel, Webhook)
    return channel


def test_section_opens_the_channel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK_SECRET", SECRET)
    channel = opened(url="https://hooks.example.com:8443/t0ken", ca_file="root.pem")
    assert (channel.recipients, channel.target) == (("notify.ops",), "webhook to https://hooks.example.com:8443")
    assert (channel.secret(), channel.ca_file) == (SECRET, str(Path.cwd() / "root.pem"))
    assert (channel.proxy, channel.secrets) == ("http://proxy.example.com:3128", Secrets(("hunter2",)))
    assert "t0ken" not in repr(channel)
    assert SECRET not in repr(channel)


@pytest.mark.parametrize("url", ["http://localhost:8080/", "http://127.0.0.1/", "http://[::1]:8080/a"])
def test_plain_http_is_accepted_on_loopback(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("HOOK_SECRET", SECRET)
    assert opened(url=url).url == url


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("http://hooks.example.com/t0ken", "url http://hooks.example.com: write https://; only a server on loopback"),
        ("http://192.0.2.1/t0ken", "url http://192.0.2.1: write https://"),
        ("https://me:t0ken@hooks.example.com/", "url: write https://HOST/PATH, without a user or a password"),
        ("ftp://hooks.example.com/t0ken", "url: write https://HOST/PATH"),
        ("https:///t0ken", "url: write https://HOST/PATH"),
        ("https://hooks.example.com:port/t0ken", "url: write https://HOST/PATH"),
        ("t0ken", "url: write https://HOST/PATH"),
    ],
)
def test_url_that_cannot_be_used_is_refused(monkeypatch: pytest.MonkeyPatch, url: str, problem: str) -> None:
    monkeypatch.setenv("HOOK_SECRET", SECRET)
    with pytest.raises(BadConfiguration) as refused:
        opened(url=url)
    assert f"[notify.ops]: {problem}" in str(refused.value)
    assert "t0ken" not in str(refused.value)


@pytest.mark.parametrize("secret", ["hunter2", ""])
def test_secret_that_cannot_be_used_is_refused(monkeypatch: pytest.MonkeyPatch, secret: str) -> None:
    monkeypatch.setenv("HOOK_SECRET", secret)
    with pytest.raises(BadConfiguration, match=r"notify\.ops") as refused:
        opened(url="https://hooks.example.com")
    assert "hunter2" not in str(refused.value)
