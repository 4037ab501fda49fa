"""The whole lab: every row of the table served, and beside them what an audit and a repair need."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import socket
import threading
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL import SSL

from audit.endpoint import SCHEME_PORTS
from tests.lab.authorities import Authorities, found_authorities
from tests.lab.certificates import CONTENTS, RECIPES
from tests.lab.control import control
from tests.lab.description import Folder, Lab, Place, Surroundings, describe, new_token
from tests.lab.dns import NXDOMAIN, SERVFAIL, SILENCE, Answer, Zone, name_server
from tests.lab.faults import FAULTY, LOCAL, SILENT, SOUND, Planted
from tests.lab.file_services import Service, lay, paths_of
from tests.lab.leaves import Served
from tests.lab.revocation import Responder
from tests.lab.servers import Current, listening, make_context, tell_names_apart
from tests.lab.watch import Watched, watching
from tests.lab.website import website
from tests.support.notify import smtp_sink
from tests.support.sockets import bind
from tests.support.store.issuance import Authority
from tests.support.store.server import serving

_TROUBLES: Final[Mapping[str, Answer]] = {
    "nxdomain": NXDOMAIN,
    "no-address": Answer(),
    "servfail": SERVFAIL,
}
_OURS: Final = (
    "downtime.jsonl", "endpoints.txt", "host", "lab.json", "lab.toml", "mail", "root.pem", "sslaudit.toml", "state",
    "store", "token", "www",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Built:
    """A row of the table with its port, its sockets (none where it is at another's, or nowhere) and what it serves."""

    place: Place
    sockets: tuple[socket.socket, ...]
    served: Served
    contexts: list[SSL.Context]  # one for each socket, or one

    @property
    def planted(self) -> Planted:
        """The row."""
        return self.place.planted

    def current(self, number: int = 0) -> Current:
        """Return what gives the context of a socket."""
        return lambda: self.contexts[number]


@contextlib.asynccontextmanager
async def serve(path: Path, *labels: str) -> AsyncIterator[Lab]:
    """Serve the lab as long as the context lasts; once everything listens, `lab.json` is in the folder.

    Where labels are given, only those endpoints.
    """
    folder = Folder(path)
    _make_room(folder)
    async with contextlib.AsyncExitStack() as stack:
        responders: dict[str, Responder] = {}
        website_port = stack.enter_context(website(folder.docroot, responders))
        now = datetime.now(UTC).replace(microsecond=0)
        authorities = found_authorities(now, f"http://{LOCAL}:{website_port}")
        responders |= {f"/ocsp/{name}": one for name, one in authorities.registry.responders().items()}
        rows = (one for one in (*SOUND, *FAULTY) if not labels or one.label in labels)
        built = tuple(_build(rows, authorities))
        _publish(authorities, folder)
        for one, number, bound in _listeners(built):
            await stack.enter_async_context(listening(one.planted, bound, one.current(number)))
        services = tuple(_install(built, authorities, folder.host))
        zone = _zone(built)
        token = new_token()
        authority = Authority(authorities.root, authorities.intermediate, authorities.list_of(authorities.intermediate))

        def lead(name: str) -> list[tuple[str, int]]:
            return [(LOCAL, website_port)] if name in zone and zone[name].addresses else []

        store = stack.enter_context(serving(folder.store, lead, token=token, authority=authority))
        store.record.touch()
        folder.mail.mkdir()
        around = Surroundings(
            resolver=f"{LOCAL}:{await stack.enter_async_context(name_server(zone, LOCAL))}",
            website_port=website_port,
            control_port=await stack.enter_async_context(control({service.name: service for service in services})),
            mail_port=stack.enter_context(smtp_sink.serving(folder=folder.mail)).port,
            store_url=store.base_url,
            token=token,
        )
        await stack.enter_async_context(watching(_watched(built), folder.downtime, folder.trust))
        yield describe(folder, tuple(one.place for one in built), services, around)


@contextlib.contextmanager
def running(folder: Path) -> Iterator[Lab]:
    """Serve the lab from one thread of this process as long as the context lasts."""
    started: Future[Lab] = Future()
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()

    async def stay() -> None:
        async with serve(folder) as lab:
            started.set_result(lab)
            await stop.wait()

    def run() -> None:
        try:
            with asyncio.Runner(loop_factory=lambda: loop) as runner:
                runner.run(stay())
        except BaseException as error:
            if started.done():
                raise
            started.set_exception(error)

    thread = threading.Thread(target=run, name="lab")
    thread.start()
    try:
        yield started.result()
    finally:
        with contextlib.suppress(RuntimeError):  # the loop is closed: it never came so far
            loop.call_soon_threadsafe(stop.set)
        thread.join()


def _make_room(folder: Folder) -> None:
    """Make the folder, and leave nothing of a former lab in it; what is not a lab's is never touched."""
    folder.path.mkdir(0o755, parents=True, exist_ok=True)
    mark = folder.path / ".lab"
    for old in (folder.path / name for name in _OURS if mark.exists()):
        if old.is_dir():
            shutil.rmtree(old)
        else:
            old.unlink(missing_ok=True)
    mark.touch()
    for one in (folder.host, folder.store):
        one.mkdir(0o755)


def _publish(authorities: Authorities, folder: Folder) -> None:
    """Put the CAs' certificates and CRLs where the leaves say they are, and the root where it is trusted from."""
    folder.trust.write_bytes(authorities.root.certificate.public_bytes(Encoding.PEM))
    for url, der in authorities.published().items():
        (folder.docroot / url.rpartition("/")[2]).write_bytes(der)


def _build(rows: Iterable[Planted], authorities: Authorities) -> Iterator[_Built]:
    """Bind every row; one at an address that this machine has not (no IPv6, one loopback address) is left out."""
    ports: dict[str, int] = {}
    served: dict[str, Served] = {}
    for planted in rows:
        sockets: tuple[socket.socket, ...] = ()
        if planted.lookup in _TROUBLES:
            port = SCHEME_PORTS[planted.scheme]
        elif planted.beside:
            port = ports[planted.beside]
        else:
            try:
                sockets = bind(planted.addresses)
            except OSError:
                continue
            port = ports[planted.label] = sockets[0].getsockname()[1]
        own = _served(planted, authorities, served)
        yield _Built(Place(planted, port), sockets, own, _contexts(planted, own, authorities))


def _served(planted: Planted, authorities: Authorities, known: dict[str, Served]) -> Served:
    """Return what a row serves: its own, or what the service serves whose files it uses."""
    if planted.files and planted.files.of:
        return known[planted.files.of]
    known[planted.label] = RECIPES[planted.certificate](authorities, planted.name)
    return known[planted.label]


def _contexts(planted: Planted, served: Served, authorities: Authorities) -> list[SSL.Context]:
    """Return one context for each address: all the same, but where each is to have a certificate of its own."""
    context = make_context(served, planted.tls)
    elsewhere = {"one-each": RECIPES[planted.certificate], "expired-elsewhere": RECIPES["expired"]}
    if planted.behaviour == "bare-elsewhere":
        return [
            context,
            *(make_context(Served(served.key, served.chain[:1]), planted.tls) for _ in planted.addresses[1:]),
        ]
    if planted.behaviour not in elsewhere:
        return [context] * len(planted.addresses)
    others = (elsewhere[planted.behaviour](authorities, planted.name) for _ in planted.addresses[1:])
    return [context, *(make_context(other, planted.tls) for other in others)]


def _listeners(built: tuple[_Built, ...]) -> Iterator[tuple[_Built, int, socket.socket]]:
    """Yield every socket with its number; a context gives way to those of the endpoints that share its port."""
    for one in built:
        guests = {guest.planted.name: guest.current() for guest in built if guest.planted.beside == one.planted.label}
        if guests:
            tell_names_apart(one.contexts[0], guests)
        yield from ((one, number, bound) for number, bound in enumerate(one.sockets))


def _install(built: tuple[_Built, ...], authorities: Authorities, host: Path) -> Iterator[Service]:
    """Yield the services of the host, once their files are laid."""
    for one in built:
        planted, files = one.planted, one.planted.files
        if files:
            paths = paths_of(host, files, planted.label)
            if not files.of:
                lay(paths, files, CONTENTS[files.content](authorities, planted.name, one.served))
            yield Service(planted, paths, one.contexts)


def _watched(built: tuple[_Built, ...]) -> Iterator[Watched]:
    for one in built:
        if one.planted.files:
            for address in one.planted.addresses:
                yield Watched(one.place.id, one.planted.scheme, one.planted.name, address, one.place.port)


def _zone(built: tuple[_Built, ...]) -> Zone:
    """Return what the name server says: of every endpoint's name, and of the others in certificates of the host."""
    others = (name for one in built if one.planted.files for name in _names(one.served))
    rows = (one.planted for one in built)
    named = {row.name: _TROUBLES.get(row.lookup, Answer(row.addresses)) for row in rows}
    return {SILENT: SILENCE, **dict.fromkeys(others, Answer((LOCAL,))), **named}


def _names(served: Served) -> tuple[str, ...]:
    try:
        san = served.chain[0].extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, x509.ExtensionNotFound):
        return ()
    return tuple(san.get_values_for_type(x509.DNSName))
