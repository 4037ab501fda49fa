"""The whole lab: every row of the table served, the name server beside them, and the files that tell how to audit it.

It knows how the parts come together; it holds no fault of its own and starts no audit.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import threading
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL import SSL

from audit.endpoint import PORTS, RUN, parse_endpoint
from tests.lab.certificates import RECIPES, Authorities, found_authorities
from tests.lab.dns import NXDOMAIN, SERVFAIL, SILENCE, Answer, Zone, name_server
from tests.lab.faults import FAULTY, LOCAL, RUN_FINDS, SILENT, SOUND, UNUSABLE_LINE, Planted
from tests.lab.servers import listening, make_context, tell_names_apart
from tests.lab.sockets import bind

PROBE_TIMEOUT_S: Final = 3.0  # everything is near: what takes longer never comes
_TROUBLES: Final[Mapping[str, Answer]] = {
    "nxdomain": NXDOMAIN,
    "no-address": Answer(),
    "servfail": SERVFAIL,
}


@dataclass(frozen=True, slots=True)
class Lab:
    """A lab that is being served, as `lab.json` has it."""

    endpoints: tuple[str, ...]  # URLs
    hosts: tuple[str, ...]
    trust: str  # the PEM file of the lab's root
    arguments: tuple[str, ...]  # what makes `pytest --pyargs audit` audit it
    faults: Mapping[str, tuple[str, ...]]  # by endpoint id; what is not in it is sound


@dataclass(frozen=True, slots=True)
class _Place:
    """A row of the table with its sockets: none where there is nothing to connect to, or it is at another's."""

    planted: Planted
    port: int
    sockets: tuple[socket.socket, ...] = ()

    @property
    def url(self) -> str:
        """The URL as for `--audit-endpoint`."""
        planted, first = self.planted, self.planted.addresses[0]
        host = f"[{first}]" if ":" in first else first
        if planted.lookup != "pinned":
            return f"{planted.scheme}://{planted.name}:{self.port}"
        asked = f"?sni={planted.name}" if planted.label else ""
        return f"{planted.scheme}://{host}:{self.port}{asked}"


@contextlib.asynccontextmanager
async def serve(folder: Path) -> AsyncIterator[Lab]:
    """Serve the lab as long as the context lasts; once everything listens, `lab.json` is in the folder."""
    _make_room(folder)
    authorities = found_authorities(datetime.now(UTC).replace(microsecond=0))
    places = tuple(_places((*SOUND, *FAULTY)))
    async with contextlib.AsyncExitStack() as stack:
        for place, bound, context in _servers(places, authorities):
            await stack.enter_async_context(listening(place.planted, bound, context))
        port = await stack.enter_async_context(name_server(_zone(places), LOCAL))
        root = authorities.root.certificate.public_bytes(Encoding.PEM)
        yield _write(folder, places, root, resolver=f"{LOCAL}:{port}")


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


def _make_room(folder: Path) -> None:
    """Make the folder, and leave no `lab.json` of a former run in it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "lab.json").unlink(missing_ok=True)


def _places(rows: Iterable[Planted]) -> Iterator[_Place]:
    """Bind every row; one at an address that this machine has not (no IPv6, one loopback address) is left out."""
    ports: dict[str, int] = {}
    for planted in rows:
        if planted.lookup in _TROUBLES:
            yield _Place(planted, PORTS[planted.scheme])
        elif planted.beside:
            yield _Place(planted, ports[planted.beside])
        else:
            with contextlib.suppress(OSError):
                sockets = bind(planted.addresses)
                ports[planted.label] = sockets[0].getsockname()[1]
                yield _Place(planted, ports[planted.label], sockets)


def _servers(
    places: tuple[_Place, ...], authorities: Authorities
) -> Iterator[tuple[_Place, socket.socket, SSL.Context]]:
    """Give each socket the context it is served with: one for all of an endpoint's, or one each."""
    for place in places:
        if place.sockets:
            shared = _context(place.planted, authorities)
            beside = [other.planted for other in places if other.planted.beside]
            guests = [planted for planted in beside if planted.beside == place.planted.label]
            tell_names_apart(shared, {guest.name: _context(guest, authorities) for guest in guests})
        for bound in place.sockets:
            one_each = place.planted.behaviour == "one-each"
            yield place, bound, _context(place.planted, authorities) if one_each else shared


def _context(planted: Planted, authorities: Authorities) -> SSL.Context:
    return make_context(RECIPES[planted.certificate](authorities, planted.name), planted.tls)


def _zone(places: Iterable[_Place]) -> Zone:
    rows = (place.planted for place in places)
    return {SILENT: SILENCE, **{row.name: _TROUBLES.get(row.lookup, Answer(row.addresses)) for row in rows}}


def _write(folder: Path, places: tuple[_Place, ...], root: bytes, *, resolver: str) -> Lab:
    """Write trust, endpoints and configuration, and at last, by rename, `lab.json`."""
    trust, endpoints, configuration = folder / "root.pem", folder / "endpoints.txt", folder / "sslaudit.toml"
    urls = tuple(place.url for place in places)
    trust.write_bytes(root)
    endpoints.write_text("".join(f"{line}\n" for line in (*urls, UNUSABLE_LINE)), encoding="utf-8")
    probe = f'[probe]\nresolver = ["{resolver}"]\ntimeout_s = {PROBE_TIMEOUT_S}\n'
    configuration.write_text(probe, encoding="utf-8")
    faults = {str(parse_endpoint(place.url)): place.planted.finds for place in places if place.planted.finds}
    arguments = {"endpoints": endpoints, "trust": trust, "policy": "webpki", "config": configuration}
    lab = Lab(
        endpoints=urls,
        hosts=(),
        trust=str(trust),
        arguments=tuple(text for name, value in arguments.items() for text in (f"--audit-{name}", str(value))),
        faults={**faults, str(RUN): RUN_FINDS},
    )
    unfinished = folder / "lab.json.new"
    unfinished.write_text(json.dumps(asdict(lab), indent=2) + "\n", encoding="utf-8")
    unfinished.rename(folder / "lab.json")
    return lab
