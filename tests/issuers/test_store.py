"""What is particular to the issuer `store`: over what it speaks, and what it makes of every answer."""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from remediate.issuers import Access, BadIssuer, IssuerFault, Order, OrderRequest, open_issuer
from remediate.issuers.exchange import MAX_RETRY_AFTER_S, Answer
from remediate.issuers.store import Store
from tests.issuers.canned import Hold, answering, listening, tunnel
from tests.issuers.requests import csr, request
from tests.issuers.website import serving_website
from tests.lab.store import Store as StrictStore
from tests.lab.store import serving

TOKEN = "a-token-nobody-may-see"
ORDER: dict[str, Any] = {
    "id": "o-1",
    "status": "pending-validation",
    "status_message": "in work",
    "created": "2026-11-23T10:00:00Z",
    "retry_after_s": 5,
    "certificate": None,
    "ca_bundle": None,
}


@pytest.fixture
def strict(tmp_path: Path) -> Iterator[StrictStore]:
    """Serve the strict Store over HTTPS, with a website that has no file."""
    with serving_website() as website:
        place = [("127.0.0.1", website.port)]
        with serving(tmp_path, lambda _: place, token=TOKEN, is_https=True) as store:
            yield store


def client(store: StrictStore, **changes: Any) -> Store:  # noqa: ANN401 - any field
    """Return a client that trusts the Store's own CA."""
    access: dict[str, Any] = {"ca_file": str(store.ca_file), "deadline_s": 5.0, **changes}
    return Store(Access(store.base_url, lambda: store.token, **access))


def collected(hold: Hold) -> Order | IssuerFault:
    """Return what the client makes of one answer about the order `o-1`."""
    with listening(hold) as listener:
        return Store(Access(f"http://127.0.0.1:{listener.port}", lambda: TOKEN, deadline_s=5.0)).collect("o-1")


def fault(answer: object) -> IssuerFault:
    """Return the fault that an answer is."""
    assert isinstance(answer, IssuerFault), answer
    return answer


class TestHowItIsReached:
    """Over HTTPS, with nothing taken from the environment."""

    @pytest.mark.parametrize(
        ("url", "why"),
        [
            ("http://store.example.com/api", "travel in the clear"),
            ("http://127.0.0.1.example.com", "travel in the clear"),
            ("http://[2001:db8::1]/api", "travel in the clear"),
            ("ftp://store.example.com", "write a base URL such as https://store.example.com/api"),
            ("store.example.com", "write a base URL"),
            ("https://", "write a base URL"),
            ("https://store.example.com/api?token=hush", "nothing behind the path"),
            ("https://me:hush@store.example.com/api", "a user in it"),
        ],
    )
    def test_a_base_url_that_is_not_safe_is_refused_with_a_clear_sentence(self, url: str, why: str) -> None:
        with pytest.raises(BadIssuer, match=why) as caught:
            Store(Access(url, lambda: TOKEN))
        assert "hush" not in str(caught.value)

    @pytest.mark.parametrize(
        "url", ["http://127.0.0.1:1", "http://[::1]:1/api", "http://localhost", "https://a.example"]
    )
    def test_loopback_may_be_plain(self, url: str) -> None:
        assert repr(Store(Access(url, lambda: TOKEN))) == f"<Store {url}>"

    def test_a_proxy_is_never_shown_the_token_in_the_clear(self) -> None:
        with pytest.raises(BadIssuer, match="the proxy would see the token"):
            Store(Access("http://127.0.0.1:1", lambda: TOKEN, proxy="http://proxy.example"))

    def test_a_kind_that_is_not_known_names_those_that_are(self) -> None:
        with pytest.raises(BadIssuer, match="known are store"):
            open_issuer("shop", Access("https://store.example.com", lambda: TOKEN))

    def test_orders_travel_over_https_by_the_anchors_that_are_named(self, strict: StrictStore) -> None:
        assert isinstance(client(strict).order(request()), Order)

    def test_a_server_that_is_not_trusted_is_told_nothing(self, strict: StrictStore) -> None:
        answer = fault(client(strict, ca_file=None).order(request()))
        assert answer.kind == "unreachable"
        assert "TLS: " in answer.detail
        assert strict.requests == []

    def test_a_file_of_anchors_that_is_missing_is_named(self, strict: StrictStore) -> None:
        assert "/nowhere.pem" in fault(client(strict, ca_file="/nowhere.pem").find(csr())).detail

    def test_the_environment_has_no_say(
        self, strict: StrictStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password other\n")
        (tmp_path / "netrc").chmod(0o600)
        environment = {"HTTPS_PROXY": "http://127.0.0.1:1", "ALL_PROXY": "http://127.0.0.1:1"}
        files = {"NETRC": str(tmp_path / "netrc"), "REQUESTS_CA_BUNDLE": "/nowhere.pem", "CURL_CA_BUNDLE": "/no.pem"}
        for name, value in {**environment, **files}.items():
            monkeypatch.setenv(name, value)
        assert client(strict).find(csr()) is None

    def test_a_proxy_that_is_named_is_gone_through(self, strict: StrictStore) -> None:
        with listening(tunnel) as proxy:
            assert client(strict, proxy=f"http://127.0.0.1:{proxy.port}").find(csr()) is None
        (head,) = proxy.heads
        assert head.startswith(b"CONNECT 127.0.0.1:")
        assert TOKEN.encode() not in head

    def test_a_proxy_that_dribbles_is_given_up_in_time(self, strict: StrictStore) -> None:
        def dribble(connection: Any, _head: bytes) -> None:  # noqa: ANN401 - a socket
            for octet in b"HTTP/1.1 200 " + b"x" * 20:
                connection.sendall(bytes([octet]))
                time.sleep(0.1)

        with listening(dribble) as proxy:
            began = time.monotonic()
            answer = fault(client(strict, proxy=f"http://127.0.0.1:{proxy.port}", deadline_s=0.5).find(csr()))
        assert time.monotonic() - began < 3
        assert answer.detail == "no whole answer within 0.5 s"

    def test_one_byte_a_second_over_tls_is_given_up_in_time(self, strict: StrictStore) -> None:
        strict.misbehave("dribble")
        began = time.monotonic()
        answer = fault(client(strict, deadline_s=1.5).find(csr()))
        assert time.monotonic() - began < 2.3
        assert (answer.kind, answer.detail) == ("unreachable", "no whole answer within 1.5 s")


class TestTheToken:
    """It goes to the Store alone, and into no word of ours."""

    def test_a_redirect_is_not_followed(self, strict: StrictStore) -> None:
        strict.misbehave("redirect")
        answer = fault(client(strict).order(request()))
        assert answer.kind == "broken"
        assert "/elsewhere, not followed" in answer.detail
        assert [each.path for each in strict.requests] == ["/api/v1/orders"]

    def test_what_the_store_repeats_of_it_is_blotted_out(self, strict: StrictStore) -> None:
        strict.misbehave("forbidden")
        answer = fault(client(strict).order(request()))
        assert answer.kind == "authentication"
        assert answer.detail == "HTTP 403: Bearer [token] may not order"

    @pytest.mark.parametrize("token", ["", "two words", "line\r\nX-Other: 1", "schlüssel", "\ud800"])
    def test_one_that_no_header_can_carry_is_not_sent(self, strict: StrictStore, token: str) -> None:
        issuer = Store(Access(strict.base_url, lambda: token, ca_file=str(strict.ca_file)))
        answer = fault(issuer.find(csr()))
        assert answer.kind == "authentication"
        assert not token or token not in str(answer)
        assert strict.requests == []

    def test_it_is_asked_for_anew_each_time(self, strict: StrictStore) -> None:
        tokens = iter(["outdated", strict.token])
        issuer = Store(Access(strict.base_url, lambda: next(tokens), ca_file=str(strict.ca_file)))
        assert fault(issuer.find(csr())).kind == "authentication"
        assert issuer.find(csr()) is None

    def test_how_it_is_reached_does_not_show_it(self) -> None:
        access = Access("https://store.example.com", lambda: TOKEN, proxy="http://me:hush@proxy.example")
        assert TOKEN not in repr(access)
        assert "hush" not in repr(access)


class TestWhatItMakesOfAnAnswer:
    """Every field is what the contract says, or the answer is broken and says where."""

    def test_an_order_is_taken_field_by_field(self) -> None:
        fields = ("Date: Mon, 23 Nov 2026 10:00:05 GMT",)
        order = collected(answering(json.dumps(ORDER | {"status_message": "in\nwork\x1b[2J"}), "200 OK", *fields))
        assert isinstance(order, Order)
        assert (order.id, order.status, order.message, order.retry_after_s) == (
            "o-1",
            "pending-validation",
            "in work [2J",
            5,
        )
        assert order.created.isoformat() == "2026-11-23T10:00:00+00:00"
        assert order.answered_at is not None
        assert order.answered_at.second == 5

    @pytest.mark.parametrize(
        ("change", "where"),
        [
            ({"id": 7}, "'id'"),
            ({"id": "../../admin"}, "the id '../../admin'"),
            ({"id": "o-2"}, "the answer is about o-2"),
            ({"status": "done"}, "the status 'done' is not one of"),
            ({"status": None}, "'status'"),
            ({"status_message": ["x"]}, "'status_message'"),
            ({"created": "yesterday"}, "'yesterday' is not an RFC 3339 time"),
            ({"created": "2026-11-23T10:00:00"}, "has no time zone"),
            ({"created": "0001-01-01T00:00:00+23:00"}, "created"),
            ({"retry_after_s": "5"}, "'retry_after_s'"),
            ({"retry_after_s": True}, "'retry_after_s'"),
            ({"retry_after_s": -1}, "retry_after_s is -1"),
            ({"certificate": {"pem": ""}}, "'certificate'"),
            ({"ca_bundle": []}, "'ca_bundle'"),
            ({"status": "issued"}, "issued and has no certificate"),
        ],
    )
    def test_a_field_that_is_not_as_agreed_breaks_the_answer(self, change: dict[str, Any], where: str) -> None:
        answer = fault(collected(answering(json.dumps(ORDER | change))))
        assert (answer.kind, answer.leaves_unknown) == ("broken", True)
        assert where in answer.detail

    @pytest.mark.parametrize("name", sorted(ORDER))
    def test_a_field_that_is_missing_is_named(self, name: str) -> None:
        answer = fault(collected(answering(json.dumps({key: ORDER[key] for key in ORDER if key != name}))))
        assert answer.kind == "broken"
        assert repr(name) in answer.detail

    @pytest.mark.parametrize(
        "body",
        [
            "",
            "[]",
            "null",
            '"issued"',
            "NaN",
            json.dumps(ORDER).replace("5", "Infinity"),
            "[" * 100_000,
            "1" * 5_000,
            b"\xff\xfe\x00",
            gzip.compress(json.dumps(ORDER).encode()),
            json.dumps(ORDER)[:-1],
        ],
        ids=["empty", "list", "null", "text", "nan", "infinity", "deep", "long", "bytes", "gzip", "cut"],
    )
    def test_what_is_no_order_is_broken(self, body: bytes | str) -> None:
        assert fault(collected(answering(body))).kind == "broken"

    def test_a_wait_beyond_a_day_is_a_day(self) -> None:
        order = collected(answering(json.dumps(ORDER | {"retry_after_s": 1e300})))
        assert isinstance(order, Order)
        assert order.retry_after_s == MAX_RETRY_AFTER_S

    @pytest.mark.parametrize(
        ("status", "body", "kind"),
        [
            ("401 Unauthorized", "<html>", "authentication"),
            ("429 Too Many Requests", "<html>", "busy"),
            ("503 Service Unavailable", "<html>", "busy"),
            ("404 Not Found", "<html>", "broken"),
            ("404 Not Found", '{"error": {"type": "unknown-order", "message": "no"}}', "unknown"),
            ("400 Bad Request", '{"error": {"type": "malformed"}}', "refused"),
            ("500 Internal Server Error", '{"error": "oops"}', "unreachable"),
            ("504 Gateway Timeout", "", "unreachable"),
            ("204 No Content", "", "broken"),
            ("302 Found", "", "broken"),
            ("418 I'm a teapot", '{"error": {"type": "x", "message": "y"}}', "broken"),
        ],
    )
    def test_every_status_has_its_kind(self, status: str, body: str, kind: str) -> None:
        assert fault(collected(answering(body, status))).kind == kind

    def test_an_answer_in_no_http_is_unreachable(self) -> None:
        assert fault(collected(lambda socket, _: socket.sendall(b"220 lab ESMTP\r\n"))).kind == "unreachable"

    def test_refused_fields_are_told_each_with_its_reason(self) -> None:
        error = {"error": {"type": "names-refused", "message": "no", "fields": {"names[a]": "is\nreserved"}}}
        answer = fault(collected(answering(json.dumps(error), "422 Unprocessable Content")))
        assert str(answer) == "refused: HTTP 422: no (names[a]: is reserved)"

    def test_refused_fields_may_come_without_reasons(self) -> None:
        error = {"error": {"type": "names-refused", "message": "no", "fields": ["names", "csr"]}}
        assert fault(collected(answering(json.dumps(error), "422 Unprocessable Content"))).fields == ("names", "csr")

    def test_of_a_hundred_megabytes_one_is_read(self, strict: StrictStore) -> None:
        strict.misbehave("huge")
        answer = fault(client(strict).find(csr()))
        assert answer.detail == "an answer of more than 1048576 bytes (HTTP 200)"
        assert strict.wire.sent_bytes < 20_000_000  # what the kernel's buffers took

    def test_a_huge_redirect_is_not_read_to_its_end(self) -> None:
        began = time.monotonic()
        hold = answering(b"x" * 3_000_000, "302 Found", "Location: https://store.example.com/")
        assert fault(collected(hold)).kind == "broken"
        assert time.monotonic() - began < 2

    def test_of_several_orders_the_one_that_gets_furthest_is_found(self) -> None:
        statuses = {"o-1": "canceled", "o-2": "pending-review", "o-3": "rejected"}
        orders = [ORDER | {"id": one, "status": status} for one, status in statuses.items()]
        with listening(answering(json.dumps({"orders": orders}))) as listener:
            found = Store(Access(f"http://127.0.0.1:{listener.port}", lambda: TOKEN)).find(csr())
        assert isinstance(found, Order)
        assert found.id == "o-2"

    def test_an_id_that_is_none_is_our_bug(self) -> None:
        with pytest.raises(ValueError, match="no order's id"):
            Store(Access("https://store.example.com", lambda: TOKEN)).collect("a/b")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("120", 120),
        ("0", 0),
        ("99999999999", MAX_RETRY_AFTER_S),
        ("Mon, 23 Nov 2026 10:02:00 GMT", 120),
        ("Mon, 23 Nov 2026 09:00:00 GMT", 0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", MAX_RETRY_AFTER_S),
        ("Mon, 23 Nov 2026 10:02:00 -0000", None),
        ("-5", None),
        ("1.5", None),
        ("soon", None),
        ("", None),
        ("٣", None),
    ],
)
def test_when_to_come_back_is_counted_by_the_stores_own_clock(text: str, seconds: int | None) -> None:
    answer = Answer(503, {"retry-after": text, "date": "Mon, 23 Nov 2026 10:00:00 GMT"}, b"")
    assert answer.retry_after_s() == seconds


def test_a_date_to_come_back_says_nothing_where_the_store_has_no_clock() -> None:
    assert Answer(503, {"retry-after": "Mon, 23 Nov 2026 10:02:00 GMT"}, b"").retry_after_s() is None


def test_what_is_sent_is_what_the_contract_says(strict: StrictStore) -> None:
    wanted: OrderRequest = request(replaces="ab" * 32)
    client(strict).order(wanted)
    (line,) = strict.orders()
    assert line["csr_sha256"] == wanted.csr.sha256
    assert line["idempotency_key"] == wanted.idempotency_key
    assert (line["names"], line["product"], line["dcv"]) == (["www.shop.example"], "90-day", "http-csr-hash")
    assert line["replaces"] == "ab" * 32
