"""Tests of the body of a webhook, its bounds, and its signature of Standard Webhooks."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from audit.redaction import Secrets
from remediate.model.case import FindingKey
from remediate.notify.channels.base import HoldsSecret
from remediate.notify.channels.webhook import Webhook
from remediate.notify.channels.webhook_message import message_id, render_body, sign, signed_headers, signing_key
from remediate.notify.notification import Notification, RunOrigin
from tests.support.notify.notifications import AT, item, notification, section
from tests.unit.remediate.notify.samples import FOLDER, HOSTILE, SAMPLES, WEBHOOK_SAMPLES, webhook_body_of

WEB = FindingKey("web1/https://www.example.com:443", "cert.expiring")


def data_of(of: Notification) -> dict[str, Any]:
    """Return the data in the body of a notification."""
    return dict(json.loads(render_body(of))["data"])


@pytest.mark.parametrize("name", WEBHOOK_SAMPLES)
def test_body_is_that_of_the_snapshot_file(name: str) -> None:
    assert webhook_body_of(SAMPLES[name]) == (FOLDER / f"{name}.json").read_text(encoding="utf-8")


def test_items_are_listed_worst_first_under_the_name_of_the_controller() -> None:
    repaired, failed = item(state="repaired", next_try=None), item(findings=(WEB,))
    data = data_of(notification(section(repaired, failed, host="local")))
    assert data["counts"] == {"failed": 1, "waiting": 0, "repaired": 1, "recovered": 0}
    assert [(row["host"], row["state"], row["next_attempt"]) for row in data["items"]] == [
        ("ctl.example.com", "failed", "2026-11-25T02:00:00Z"),
        ("ctl.example.com", "repaired", None),
    ]
    assert data["items"][0]["findings"] == [{"endpoint": WEB.endpoint, "check": WEB.check}]


def test_digest_and_type_follow_the_notification() -> None:
    waiting = notification(section(item(state="waiting")), state="waiting")
    body = json.loads(render_body(waiting))
    assert (body["type"], body["data"]["state"]) == ("sslaudit.waiting", "waiting")
    assert body["data"]["digest"] == waiting.digest


def test_items_and_findings_beyond_the_bound_are_counted() -> None:
    findings = tuple(FindingKey(f"https://h{number}.example.com:443", "cert.expired") for number in range(53))
    items = [item(check=f"cert.{number}", services=tuple("abc" * 9), findings=findings) for number in range(103)]
    data = data_of(notification(section(*items)))
    assert (len(data["items"]), data["omitted_items"], data["counts"]["failed"]) == (100, 3, 103)
    counts = {(len(row["findings"]), row["omitted_findings"], len(row["services"])) for row in data["items"]}
    assert counts == {(50, 3, 20)}
    assert [row["check"] for row in data["items"]] == [f"cert.{number}" for number in range(100)]
    at_bounds = data_of(notification(section(*items[:100])))
    assert (len(at_bounds["items"]), at_bounds["omitted_items"]) == (100, 0)


def test_text_of_others_is_printable_and_cut() -> None:
    texts = ("endpoint", "check", "reason", "tried", "happened", "to_do")
    finding = FindingKey(HOSTILE, HOSTILE)
    hostile = item(services=(HOSTILE,), findings=(finding,), **dict.fromkeys(texts, f"{HOSTILE}{'x' * 9000}\n" * 9))
    body = render_body(notification(section(hostile, host=HOSTILE), remarks=(HOSTILE,) * 101))
    assert body.isascii()
    data = json.loads(body)["data"]
    lines = {name: data["items"][0].pop(name) for name in ("tried", "happened", "to_do")}
    assert {len(text) for text in lines.values()} == {2_000}
    assert all(line.isprintable() for text in lines.values() for line in text.split("\n"))
    assert all(text.isprintable() and len(text) <= 1_000 for text in strings_in(data))
    assert len(data["remarks"]) == 100
    assert len(body) < 40_000 + 101 * 700


def test_each_text_has_its_own_bound() -> None:
    long = "x" * 5_000
    found = item(services=(long,), findings=(FindingKey(long, long),), endpoint=long, check=long, reason=long)
    run = RunOrigin(AT, long, long)
    data = data_of(notification(section(found, host=long), run=run, remarks=(long,)))
    (row,) = data["items"]
    texts = {name: row[name] for name in ("host", "check", "endpoint", "reason")} | row["findings"][0]
    lengths = {name: len(text) for name, text in texts.items()}
    assert lengths == {"host": 200, "check": 60, "endpoint": 300, "reason": 1_000}
    assert (len(row["endpoint"]), len(row["check"]), len(row["services"][0])) == (1_000, 60, 60)
    assert (len(data["controller"]), len(data["version"]), len(data["remarks"][0])) == (1_000, 60, 1_000)


def strings_in(value: Any) -> list[str]:  # noqa: ANN401 - any JSON value
    """Return every text in a JSON value."""
    if isinstance(value, str):
        return [value]
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for part in parts for text in strings_in(part)]


@pytest.mark.parametrize("secret", ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"])
def test_signature_is_that_of_the_reference_implementation(secret: str) -> None:
    signature = sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}', signing_key(secret))
    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_header_fields_name_the_message_the_second_and_the_signature() -> None:
    at = datetime(2026, 11, 24, 2, 0, 0, 999_999, tzinfo=UTC)
    body, key = render_body(notification()), bytes(24)
    fields = dict(signed_headers(body, key, at))
    assert fields == {
        "webhook-id": message_id(body),
        "webhook-timestamp": "1795485600",
        "webhook-signature": sign(message_id(body), 1795485600, body, key),
    }


def test_id_is_the_same_for_the_same_notification_alone() -> None:
    first, again, other = notification(), notification(), notification(section(host="web2"))
    assert message_id(render_body(first)) == message_id(render_body(again))
    assert message_id(render_body(first)) != message_id(render_body(other))
    assert message_id(b"").startswith("msg_e3b0c44298fc1c149afbf4c8996fb924")
    assert len(message_id(b"")) == 36


@pytest.mark.parametrize("count", [24, 64])
def test_key_of_24_to_64_bytes_is_accepted(count: int) -> None:
    assert signing_key(f"whsec_{base64.b64encode(bytes(count)).decode()}") == bytes(count)


@pytest.mark.parametrize(
    "secret",
    [
        *("", "whsec_", "hunter2-hunter2-hunter2-hunter2!", "whsec_hunter2"),
        *(base64.b64encode(bytes(count)).decode() for count in (23, 65)),
        "whsec_" + base64.urlsafe_b64encode(b"\xff" * 32).decode(),
    ],
)
def test_secret_that_is_not_a_key_is_refused_and_not_repeated(secret: str) -> None:
    with pytest.raises(ValueError, match=r"the secret is not whsec_ .*\(openssl rand -base64 32") as refused:
        signing_key(secret)
    assert "hunter2" not in str(refused.value)
    assert refused.value.__cause__ is None


TOKEN = "tok-" + "1234567890" * 4


@pytest.mark.parametrize(
    "happened",
    [
        f"401: {TOKEN} is wrong",
        f"{'x' * 980}{TOKEN}",  # cut within the secret
        "https://user:hunter2@store.example.com",
        "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEI",
    ],
)
def test_body_that_would_hold_a_secret_is_not_rendered(happened: str) -> None:
    webhook = Webhook("notify.ops", "https://hooks.example.com", lambda: "", secrets=Secrets((TOKEN,)))
    with pytest.raises(HoldsSecret, match=r"^not sent: .* is in the message$") as refused:
        webhook.render(notification(section(item(happened=happened))), webhook.recipients)
    assert TOKEN not in str(refused.value)
    assert webhook.render(notification(), webhook.recipients) == render_body(notification())
