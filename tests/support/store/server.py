"""The strict Store: its JSON interface over HTTP or HTTPS."""

from __future__ import annotations

import contextlib
import hmac
import json
import re
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.support.store.issuance import Authority, found_authority, to_pem
from tests.support.store.misconduct import AFTERWARDS, INSTEAD, Answering, Wire, WireServer
from tests.support.store.orders import Book, Refused
from tests.support.store.validator import SOURCES, Resolve, Validator
from tests.support.x509.ca import Leaf, issue

_MAX_REQUEST_BYTES: Final = 65_536
_ORDERS: Final = "/api/v1/orders"


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it came, but for the token."""

    method: str
    path: str
    idempotency_key: str | None
    body: bytes = b""


@dataclass(slots=True)
class _Misdeed:
    what: str
    left: int | None  # how many times more; None: always
    order: str | None
    method: str | None


@dataclass(slots=True)
class Store:
    """A Store that is being served. Every order placed is one JSON line of `record`."""

    base_url: str
    token: str
    ca_file: Path  # what to trust over HTTPS: the root of its CA, which is also the anchor of what it issues
    record: Path
    authority: Authority
    poll_s: int = 1
    requests: list[Request] = field(default_factory=list)
    wire: Wire = field(default_factory=Wire)
    _misdeeds: list[_Misdeed] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def misbehave(
        self, what: str, *, times: int | None = None, order: str | None = None, method: str | None = None
    ) -> None:
        """Do this from now on, so many times or always; only to one order or at one method where that is said.

        On the wire: one of `misconduct.WIRE`. Of an order: `pending` (for so many polls), `review`, `rejected`,
        `longer-product`. Of what is handed over: a key of `issuance.DELIVERIES`.
        """
        with self._lock:
            self._misdeeds.append(_Misdeed(what, times, order, method))

    def behave(self) -> None:
        """Misbehave no more."""
        with self._lock:
            self._misdeeds.clear()

    def orders(self) -> list[dict[str, Any]]:
        """Return the record of every order that was ever placed."""
        if not self.record.exists():
            return []
        return [json.loads(line) for line in self.record.read_text(encoding="utf-8").splitlines()]

    def due(self, order: str | None, kinds: tuple[str, ...], method: str | None = None) -> str | None:
        """Return the misdeed of these kinds that is due, and count it."""
        with self._lock:
            for misdeed in self._misdeeds:
                fits = misdeed.order in (None, order) and (method is None or misdeed.method in (None, method))
                if misdeed.what in kinds and misdeed.left != 0 and fits:
                    misdeed.left = None if misdeed.left is None else misdeed.left - 1
                    return misdeed.what
        return None


@contextlib.contextmanager
def serving(
    folder: Path,
    resolve: Resolve,
    *,
    token: str = "the-lab-token",  # noqa: S107 - of a throw-away server
    is_https: bool = False,
    authority: Authority | None = None,
    sources: Sequence[str] = SOURCES,
    address: str = "127.0.0.1",
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Iterator[Store]:
    """Serve a Store as long as the context lasts; its files are in the folder.

    `sources` are where it validates from; what is changed in a list of them holds from the next validation on.
    """
    ca = authority or found_authority(clock().replace(microsecond=0))
    server = _Server((address, 0), _Conversation)
    ca_file = folder / "store-root.pem"
    ca_file.write_text(ca.root_pem, encoding="ascii")
    if is_https:
        context = _tls(folder, ca, clock(), address)
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    base_url = f"{'https' if is_https else 'http'}://{address}:{server.server_port}/api"
    store = Store(base_url, token, ca_file, folder / "orders.jsonl", ca)
    server.store, server.wire = store, store.wire
    server.book = Book(ca, Validator(resolve, sources), store.record, clock, store.due)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), name="store")
    thread.start()
    try:
        yield store
    finally:
        store.wire.stopping.set()
        server.shutdown()
        thread.join()
        server.server_close()


class _Server(WireServer):
    """The server, with what its conversations need."""

    store: Store
    book: Book


class _Conversation(Answering):
    """One connection: who asks is looked at, then what is asked, and only then is anything done."""

    server: _Server

    def serve(self) -> None:
        """Answer one request."""
        store = self.server.store
        body = self.rfile.read(min(int(self.headers.get("Content-Length") or 0), _MAX_REQUEST_BYTES + 1))
        store.requests.append(Request(self.command, self.path, self.headers.get("Idempotency-Key"), body))
        order = self._order_id()
        instead = store.due(order, tuple(INSTEAD), self.command)
        if instead is not None:
            return INSTEAD[instead](self)
        status, value = self._answer(body)
        spoilt = store.due(order or value.get("id"), tuple(AFTERWARDS), self.command)
        if spoilt is not None:
            return AFTERWARDS[spoilt](self)
        return self.send_json(status, value)

    def _answer(self, body: bytes) -> tuple[int, dict[str, Any]]:
        """Do what is asked; what is refused becomes the contract's error."""
        try:
            self._require_token()
            return self._route(body)
        except Refused as refused:
            error = {"type": refused.kind, "message": str(refused)}
            return refused.status, {"error": {**error, "fields": refused.fields} if refused.fields else error}

    def _require_token(self) -> None:
        given = self.headers.get("Authorization")
        if given is None:
            raise Refused(401, "authentication", "no token")
        if not hmac.compare_digest(given, f"Bearer {self.server.store.token}"):
            raise Refused(401, "authentication", "the token is not one of ours")

    def _route(self, body: bytes) -> tuple[int, dict[str, Any]]:
        book, poll_s = self.server.book, self.server.store.poll_s
        url, order = urlsplit(self.path), self._order_id()
        if order is not None and self.command == "GET":
            return 200, book.poll(order).to_json(poll_s)
        if order is not None and self.command == "DELETE":
            return 200, book.cancel(order).to_json(poll_s)
        if url.path == _ORDERS and self.command == "POST":
            placed, is_new = book.place(_json(body), self.headers.get("Idempotency-Key"))
            return 201 if is_new else 200, placed.to_json(poll_s)
        if url.path == _ORDERS and self.command == "GET":
            return 200, {"orders": [placed.to_json(poll_s) for placed in book.find(_csr_sha256(url.query))]}
        raise Refused(404, "unknown", f"{self.command} {url.path} is nothing here")

    def _order_id(self) -> str | None:
        path = urlsplit(self.path).path
        return path.removeprefix(_ORDERS + "/") if path.startswith(_ORDERS + "/") else None


def _json(body: bytes) -> Any:  # noqa: ANN401 - any JSON value
    if len(body) > _MAX_REQUEST_BYTES:
        raise Refused(400, "malformed", f"more than {_MAX_REQUEST_BYTES} bytes")
    try:
        return json.loads(body)
    except ValueError as error:
        raise Refused(400, "malformed", f"not JSON: {error}") from error


def _csr_sha256(query: str) -> str:
    asked = parse_qs(query)
    digests = asked.get("csr_sha256", [])
    if asked.keys() != {"csr_sha256"} or len(digests) != 1 or not re.fullmatch(r"[0-9a-f]{64}", digests[0]):
        raise Refused(400, "malformed", "orders are found by csr_sha256, a SHA-256 in lower-case hex")
    return digests[0]


def _tls(folder: Path, authority: Authority, now: datetime, address: str) -> ssl.SSLContext:
    """Return a server's TLS with a certificate for its address from the same CA."""
    identity = issue(Leaf(address, (address,), now - timedelta(days=1)), authority.intermediate)
    file = folder / "store-server.pem"
    key = identity.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode("ascii")
    file.write_text(key + to_pem(identity.certificate, authority.intermediate.certificate), encoding="ascii")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context
