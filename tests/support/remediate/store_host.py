"""A host with two services that share a certificate, a website and the strict Store, with a list of all that was done.

The list has, in order, every command that changes something, and every request.
"""

from __future__ import annotations

import hashlib
import json
import socket
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from audit.observation import DnsView
from audit.observation.website import Docroot
from audit.probe import Limits
from remediate.challenges.dns_lookup import LookUp
from remediate.execution.context import RunContext
from remediate.execution.dry_run_lines import dry_run_lines
from remediate.execution.preview import Action
from remediate.hosts.command import Command
from remediate.hosts.local_command import LocalCommand
from remediate.issuers import IssuerEndpoint, Request
from remediate.issuers.store import Store
from remediate.model.case import Case, Repair, Validation
from remediate.model.plan import Plan
from remediate.state.journal import Journal
from tests.support.http.scripted_server import Request as WebRequest
from tests.support.http.scripted_server import conversing
from tests.support.http.websites import Note, files_of
from tests.support.remediate.fake_host.ca import AUTHORITY
from tests.support.remediate.fake_host.host import FakeHost, running_host
from tests.support.remediate.fake_host.run import NoRecords, changed
from tests.support.remediate.fake_host.session import LocalSession
from tests.support.store.issuance import to_pem
from tests.support.store.server import Request as Asked
from tests.support.store.server import Store as StrictStore
from tests.support.store.server import serving

SECOND = "mail"


class Near(NoRecords):
    """Every name leads to this machine."""

    def of(self, name: str, limits: Limits, stop: threading.Event) -> LookUp:
        del limits, stop
        return LookUp(name, DnsView("ok", ("127.0.0.1",)))


@dataclass(slots=True)
class StoreHost:
    """The host, its Store and the list of actions."""

    host: FakeHost
    store: StrictStore
    website_port: int
    actions: list[Any] = field(default_factory=list)

    def case(self, repair: Repair = Repair.REISSUE, **changes: Any) -> Case:  # noqa: ANN401 - any field
        """Return the case of the certificate that both services use."""
        validated_on = (Validation(self.host.name, (self.host.label,)),)
        return self.host.case(repair, **{"validated_on": validated_on, **changes})

    def run(self, journal: Journal, **changes: Any) -> RunContext:  # noqa: ANN401 - any field
        """Return what a run may use here."""
        issuer = Store(IssuerEndpoint(self.store.base_url, lambda: self.store.token, deadline_s=5.0))
        docroot = Docroot(str(self.docroot))
        run = self.host.run(
            journal, issuer, name="store", lookups=Near(), docroot_of=lambda _: docroot, http_port=self.website_port
        )
        return changed(run, **changes)

    @property
    def docroot(self) -> Path:
        """What the website serves."""
        return self.host.folder.parent / "docroot"

    @property
    def access_log(self) -> Path:
        """The access log of the website."""
        return self.host.folder.parent / "access.log"

    def recorded_actions(self, since: int = 0) -> list[Command | Request]:
        """Return the changing commands and the requests in order; a request has no reason."""
        events = [action for action in self.actions[since:] if isinstance(action, Asked) or action.changes]
        return [self._read(action) if isinstance(action, Asked) else action for action in events]

    def _read(self, request: Asked) -> Request:
        return Request(
            "", request.method, self.store.base_url.removesuffix("/api") + request.path, request.body.decode()
        )

    def actual_values(self, case: Case, root: str) -> dict[str, str]:
        """Return the real values of the placeholders, from the CA and from the disk."""
        leaf, *chain = x509.load_pem_x509_certificates(self.host.certificate.read_bytes())
        return {
            "<the certificate that was issued>": to_pem(leaf),
            "<the certificate in use>": to_pem(leaf),
            "<the certificates of its CAs>": to_pem(*chain),
            **_versions(Path(root, case.id)),
            **self._ordered(),
        }

    def _ordered(self) -> dict[str, str]:
        """Return what came to be at the Store."""
        csrs = [json.loads(action.body)["csr"] for action in self.actions if isinstance(action, Asked) and action.body]
        if not csrs:
            return {}
        return {
            "<the request made above>": json.dumps(csrs[0])[1:-1],
            "<the order>": self.store.orders()[0]["id"],
            **digests(x509.load_pem_x509_csr(csrs[0].encode())),
        }


def _versions(folder: Path) -> dict[str, str]:
    """Return the version in use and the one before in the only set of files of a case; nothing if it switched none."""
    found = {link.parent for link in folder.glob("*/live")}
    if not found:
        return {}
    (files,) = found
    return {
        "<version>": str((files / "live").readlink()),
        "<the version before>": str((files / "before").readlink()),
    }


def digests(csr: x509.CertificateSigningRequest) -> dict[str, str]:
    """Return what came to be of what derives from the request."""
    der = csr.public_bytes(Encoding.DER)
    return {
        "<SHA-256 of the request>": hashlib.sha256(der).hexdigest(),
        "<the first 20 digits of that>": hashlib.sha256(der).hexdigest()[:20],
        "<MD5 of the request>": hashlib.md5(der, usedforsecurity=False).hexdigest().upper(),
    }


def filled_in(previewed: Iterable[Action], values: Mapping[str, str]) -> list[Action]:
    """Return previewed actions with the values that came to be; without the reason of a request, which is not sent."""

    def fill(text: str) -> str:
        for placeholder, value in values.items():
            text = text.replace(placeholder, value)
        return text

    return [
        replace(action, why="", url=fill(action.url), body=fill(action.body))
        if isinstance(action, Request)
        else replace(action, stdin=fill(action.stdin))
        if isinstance(action, LocalCommand)
        else replace(action, why=fill(action.why), arguments=tuple(map(fill, action.arguments)))
        for action in previewed
    ]


def planned(*cases: Case) -> Plan:
    """Return a plan of these cases."""
    return Plan(cases, (), ())


def printed(case: Case, run: RunContext, *, verbose: bool = False) -> str:
    """Return what a dry run of a case prints."""
    return "\n".join(dry_run_lines(planned(case), run, verbose=verbose))


@contextmanager
def running_store_host(folder: Path) -> Iterator[StoreHost]:
    """Run the host, its website and the Store as long as the context lasts."""
    (folder / "docroot").mkdir()
    (folder / "store").mkdir()
    with (
        conversing(respond=files_of(folder / "docroot", _log_to(folder / "access.log"))) as site,
        running_host(folder / "a", "a") as host,
        serving(folder / "store", lambda _: [("127.0.0.1", site.port)], authority=AUTHORITY) as store,
    ):
        actions: list[Any] = []
        store.requests = actions
        yield StoreHost(with_second_service(host, actions), store, site.port, actions)


def with_second_service(host: FakeHost, actions: list[Any]) -> FakeHost:
    """Return a host with a second service that shares the certificate; its commands are added to a list."""
    services = (host.first, replace(host.first, name=SECOND, scheme="tls"))
    return replace(host, services=services, session=LocalSession(actions))


def _log_to(file: Path) -> Note:
    """Return what writes a request in the combined format."""

    def note(connection: socket.socket, request: WebRequest, status: int) -> None:
        when = datetime.now(UTC).strftime("%d/%b/%Y:%H:%M:%S +0000")
        with file.open("a") as log:
            log.write(f'{connection.getpeername()[0]} - - [{when}] "{request.line}" {status} - "-" ')
            log.write(f'"{request.fields["user-agent"]}"\n')

    return note
