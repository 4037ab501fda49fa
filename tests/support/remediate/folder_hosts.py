"""Hosts that are folders: a service in front of copied files, a CA in memory, and cases about them.

It has TLS, files and orders; the commands of a repair run on this machine, in these directories alone.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from audit.endpoint import Endpoint
from audit.observation import HostView, InstalledFile
from audit.probe import Limits, Target
from audit.probe.dns.records import RecordSet, RecordType
from audit.probe.dns.texts import ServerTexts
from audit.x509.path.trust_store import TrustAnchors
from remediate.challenges.dns_lookup import LookUps
from remediate.execution.context import ConfiguredIssuer, Network, RunContext
from remediate.execution.host_context import HostContext
from remediate.hosts.command import Command, CommandResult
from remediate.installers import CustomInstaller
from remediate.issuers import IssuerFault, Order, OrderRef, OrderRequest
from remediate.model.authorization import Challenge
from remediate.model.case import Case, Repair, UsedFile, case_id, steps_of
from remediate.model.options import Concurrency, Timeouts
from remediate.pki.csr import Csr, csr_hash_challenge
from remediate.pki.issued_chain import IssuedPem
from remediate.state.journal import Journal
from tests.support.http.scripted_server import conversing
from tests.support.remediate.local_commands import run
from tests.support.store.issuance import Commission, Delivery, deliver, found_authority, to_pem
from tests.support.x509.ca import Leaf, PrivateKey, issue

CONCURRENCY: Final = Concurrency(chance=lambda: 0.0)
"""Runs without a random part in their waits."""
NOW = datetime.now(UTC).replace(microsecond=0)
AUTHORITY = found_authority(NOW)
DAY = timedelta(days=1)


@dataclass(slots=True)
class Ca:
    """A CA that issues at once. Each of `faults` is what it answers to an order that it takes all the same."""

    orders: dict[str, Order] = field(default_factory=dict)  # by the digest of the request
    faults: list[IssuerFault] = field(default_factory=list)
    placed: datetime = NOW

    def find(self, csr: Csr) -> Order | None:
        """Return the order of a request."""
        return self.orders.get(csr.sha256)

    def challenges_for(self, csr: Csr, names: tuple[str, ...]) -> tuple[Challenge, ...]:
        """Return the file that proves control over each name."""
        return tuple(csr_hash_challenge(csr, name) for name in names)

    def place(self, request: OrderRequest) -> Order | IssuerFault:
        """Take an order; a second order for a CSR would be a bug."""
        assert request.csr.sha256 not in self.orders
        key: Any = x509.load_pem_x509_csr(request.csr.pem.encode()).public_key()
        delivery = deliver(AUTHORITY, Commission(key, request.names, NOW, 90 * DAY))
        order = Order(
            f"o-{len(self.orders)}", "valid", "issued", self.placed, issued=(delivered(delivery),), own_word="issued"
        )
        self.orders[request.csr.sha256] = order
        return self.faults.pop() if self.faults else order

    def fetch(self, ref: OrderRef) -> Order:
        """Return an order."""
        return next(order for order in self.orders.values() if order.id == ref.id)

    def accept(self, challenge: Challenge) -> None:
        """Do nothing: the CA does not validate."""

    def finalize(self, order: Order, csr: Csr) -> Order:
        """Return the order, which was placed with its CSR."""
        del csr
        return order

    def download(self, order: Order) -> tuple[IssuedPem, ...]:
        """Return what came with the order."""
        return order.issued

    def cancel(self, ref: OrderRef) -> None:
        """Cancel nothing: all is issued at once."""


def delivered(delivery: Delivery) -> IssuedPem:
    """Return what a CA delivers, as an issuer returns it."""
    return IssuedPem(delivery.certificate, delivery.bundle)


@dataclass(slots=True)
class LocalSession:
    """A session that runs commands on this machine and records them."""

    commands: list[Command] = field(default_factory=list)

    def run(self, command: Command) -> CommandResult:
        """Run a command."""
        self.commands.append(command)
        return run(command)


@dataclass(frozen=True, slots=True)
class FolderHost:
    """A host: its folder, and the port of the service that serves what was last copied to the file `served`.

    A certificate with another type of key in `beside`, if it exists, is served too.
    """

    label: str
    folder: Path
    port: int
    session: LocalSession = field(default_factory=LocalSession)

    @property
    def endpoint(self) -> Endpoint:
        """The only endpoint."""
        return Endpoint("https", f"{self.label}.example", self.port, "127.0.0.1", self.label, f"ssh://{self.label}")

    @property
    def changes(self) -> int:
        """The number of commands that changed something on it."""
        return sum(command.changes for command in self.session.commands)

    @property
    def service(self) -> str:
        """What its service is called."""
        return f"gateway-{self.label}"

    def installer(self, *, takes_up: bool = True) -> CustomInstaller:
        """Return the installer that copies the files to the served one; without `takes_up` it does nothing."""
        copy = f"cd {self.folder} && cat tls.crt tls.key >served.new && mv served.new served"
        return CustomInstaller(self.service, None, copy if takes_up else ":")

    def case(self, repair: Repair = Repair.REISSUE, **changes: Any) -> Case:  # noqa: ANN401 - any field
        """Return the case of its certificate."""
        name, endpoint = self.endpoint.name, str(self.endpoint)
        files = [UsedFile(self.service, f"{self.folder}/tls.{end}", kind, mode="0644") for end, kind in _KINDS]
        steps = steps_of(repair, (self.service,), (endpoint,))
        whole = Case(
            case_id(self.label, (name,), None), self.label, f"ssh://{self.label}", repair, (name,), (self.service,),
            (endpoint,), tuple(files), (), steps,
        )  # fmt: skip
        return replace(whole, **changes)

    def target(self, clock_offset_s: float = 0.0) -> Target:
        """Return how it is found."""
        chain = tuple(
            certificate.public_bytes(Encoding.DER)
            for certificate in x509.load_pem_x509_certificates((self.folder / "tls.crt").read_bytes())
        )
        files = tuple(
            InstalledFile(path := f"{self.folder}/tls.{end}", kind, str(Path(path).resolve()), chain_der=chain)
            for end, kind in _KINDS
        )
        view = HostView(
            self.label, f"ssh://{self.label}", clock_offset_s=clock_offset_s, service=self.service, files=files
        )
        return Target(self.endpoint, server=view)

    @property
    def served(self) -> str:
        """The leaf that is served."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with socket.create_connection(("127.0.0.1", self.port)) as plain, context.wrap_socket(plain) as tls:
            return ssl.DER_cert_to_PEM_cert(tls.getpeercert(binary_form=True) or b"")


_KINDS: Any = (("crt", "certificate"), ("key", "key"))


def plant(folder: Path, *names: str, private_key: PrivateKey | None = None) -> None:
    """Write an expired certificate and its key, and let the service serve it."""
    certificates, key = pems_of(Leaf(names[0], names, NOW - 90 * DAY, 60 * DAY), private_key)
    (folder / "tls.crt").write_text(certificates)
    (folder / "tls.key").write_text(key)
    (folder / "served").write_text(certificates + key)


def pems_of(leaf: Leaf, private_key: PrivateKey | None = None) -> tuple[str, str]:
    """Return a new certificate of the CA with its intermediate, and its key."""
    identity = issue(leaf, AUTHORITY.intermediate, key=private_key)
    key = identity.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return to_pem(identity.certificate, AUTHORITY.intermediate.certificate), key


@contextlib.contextmanager
def running_host(folder: Path, label: str) -> Iterator[FolderHost]:
    """Serve an expired certificate as long as the context lasts."""
    folder.mkdir()
    plant(folder, f"{label}.example")
    with conversing(lambda tls: tls.recv(1), context=lambda: _context(folder), speaks_first=True) as server:
        yield FolderHost(label, folder, server.port)


def _context(folder: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    for served in (folder / "served", *folder.glob("beside")):
        context.load_cert_chain(served)
    return context


class NoRecords(LookUps):
    """A zone in which no name has TLSA, MX or TXT records."""

    def records(self, name: str, record_type: RecordType, limits: Limits, stop: threading.Event) -> RecordSet:
        del limits, stop
        return RecordSet(name, record_type, "none")

    def texts(self, name: str, limits: Limits, stop: threading.Event) -> tuple[ServerTexts, ...]:
        del name, limits, stop
        return (ServerTexts("ns1", "192.0.2.1"),)

    def has_dns(self, limits: Limits) -> bool:
        del limits
        return True


def run_context(journal: Journal, ca: Any, *hosts: FolderHost, **changes: Any) -> RunContext:  # noqa: ANN401 - any issuer, any field
    """Return what a run on these hosts may use; `changes` as in `changed`."""
    installers = {host.service: host.installer() for host in hosts}
    root = str(hosts[0].folder.parent / "sslaudit")
    run = RunContext(
        journal=journal,
        hosts={
            host.label: HostContext(
                host.label,
                host.session,
                {str(host.endpoint): host.target()},
                installers=installers,
                workdir_root=root,
            )
            for host in hosts
        },
        issuer=ConfiguredIssuer(ca, "ca"),
        anchors=TrustAnchors({"lab": [AUTHORITY.root.certificate.public_bytes(Encoding.DER)]}),
        clock=lambda: datetime.now(UTC),
        lock_holder="a test",
        network=Network(NoRecords()),
        timeouts=Timeouts(confirmation_s=20, proof_s=0.5, issuance_s=2.0, visible_s=0.2, look_s=0.05),
    )
    return changed(run, **changes)


def changed(run: RunContext, **changes: Any) -> RunContext:  # noqa: ANN401 - any field
    """Return a run with other values for fields of itself, of its issuer, of its network or of each of its hosts."""
    targets: Mapping[str, Target] | None = changes.pop("targets", None)
    parts = {kind: {name: changes.pop(name) for name in [*changes] if name in names} for kind, names in _FIELDS.items()}
    hosts = {label: replace(host, **parts[HostContext]) for label, host in run.hosts.items()}
    if targets is not None:
        hosts = {label: replace(host, targets=_on(label, targets)) for label, host in hosts.items()}
    issuer, network = replace(run.issuer, **parts[ConfiguredIssuer]), replace(run.network, **parts[Network])
    whole: dict[str, Any] = {"hosts": hosts, "issuer": issuer, "network": network}
    return replace(run, **(whole | changes))


_FIELDS: Final = {kind: {member.name for member in fields(kind)} for kind in (HostContext, ConfiguredIssuer, Network)}


def _on(label: str, targets: Mapping[str, Target]) -> dict[str, Target]:
    return {name: target for name, target in targets.items() if target.endpoint.host == label}


def host_changed(run: RunContext, label: str, **changes: Any) -> RunContext:  # noqa: ANN401 - any field
    """Return a run with other values for fields of one of its hosts, which may be a new one."""
    return replace(run, hosts={**run.hosts, label: replace(run.host(label), **changes)})
