"""A host that is a directory: services that serve copied files over TLS, and cases about them.

The commands of a repair run on this machine, in these directories alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from audit.endpoint import Endpoint
from audit.observation import FileKind, HostView, InstalledFile
from audit.probe import Target
from audit.x509.path.trust_store import TrustAnchors
from remediate.cpanel.panel import Panel
from remediate.execution.context import ConfiguredIssuer, Network, RunContext
from remediate.execution.host_context import HostContext
from remediate.execution.scheduler import repair
from remediate.installers import CustomInstaller, Installer
from remediate.model.case import Case, Repair, UsedFile, case_id, steps_of
from remediate.model.outcome import CaseResult
from remediate.state.journal import Journal
from tests.support.remediate.fake_host.ca import AUTHORITY, Ca, leaf_of, pems_of
from tests.support.remediate.fake_host.panel import (
    calls_of,
    certificate_files,
    write_certificate,
    write_panel,
    write_restart_scripts,
)
from tests.support.remediate.fake_host.run import CONCURRENCY, TIMEOUTS, NoRecords, changed
from tests.support.remediate.fake_host.session import LocalSession
from tests.support.remediate.fake_host.tls_server import served_at, serving
from tests.support.x509.ca import PrivateKey


@dataclass(frozen=True, slots=True)
class FakeService:
    """A service: its port, its certificate file and key file, and the directory with `served`, what it loaded last.

    A certificate with another type of key in `beside`, if that file exists, is served too.
    """

    name: str
    folder: Path
    port: int
    certificate: Path
    key: Path
    scheme: str = "https"

    @property
    def files(self) -> tuple[InstalledFile, ...]:
        """The configured files, as an audit finds them."""
        return _installed_file(self.certificate, "certificate"), _installed_file(self.key, "key")

    def installer(self, *, loads: bool = True) -> CustomInstaller:
        """Return the installer that copies the files to the served one; unless it `loads` it does nothing."""
        copy = f"cd {self.folder} && cat {self.certificate} {self.key} >served.new && mv served.new served"
        return CustomInstaller(self.name, None, copy if loads else ":")

    def write(self, certificates: str, key: str) -> None:
        """Write the configured files, which may be one."""
        self.certificate.write_text(certificates)
        self.key.write_text(key + certificates if self.key == self.certificate else key)

    def serve(self, certificates: str, key: str) -> None:
        """Write the configured files and serve them."""
        self.write(certificates, key)
        (self.folder / "served").write_text(certificates + key)

    @property
    def served(self) -> str:
        """The leaf that is served."""
        return served_at(self.port)


def _installed_file(path: Path, kind: FileKind) -> InstalledFile:
    """Return a file; a panel installs certificates beside those that it made, in files whose names begin with `my`."""
    installed = path.with_name(f"my{path.name}")
    found = installed if installed.exists() else path
    if not found.exists():
        return InstalledFile(str(found), kind, fault="missing")
    chain = x509.load_pem_x509_certificates(found.read_bytes()) if kind == "certificate" else ()
    ders = tuple(certificate.public_bytes(Encoding.DER) for certificate in chain)
    return InstalledFile(str(found), kind, str(found.resolve()), chain_der=ders)


@dataclass(frozen=True, slots=True)
class FakeHost:
    """A host with one service or more. Its directory, with `panel`, has the paths of a cPanel & WHM server."""

    label: str
    folder: Path
    services: tuple[FakeService, ...]
    session: LocalSession = field(default_factory=LocalSession)
    panel: Panel | None = None

    @property
    def name(self) -> str:
        """The name in its certificates."""
        return f"{self.label}.example"

    @property
    def first(self) -> FakeService:
        """The first service, which is the only one of most hosts."""
        return self.services[0]

    @property
    def service(self) -> str:
        """The name of the first service."""
        return self.first.name

    @property
    def endpoint(self) -> Endpoint:
        """The endpoint of the first service."""
        return self.endpoint_of(self.first)

    @property
    def certificate(self) -> Path:
        """The certificate file of the first service."""
        return self.first.certificate

    @property
    def key(self) -> Path:
        """The key file of the first service."""
        return self.first.key

    @property
    def served(self) -> str:
        """The leaf that the first service serves."""
        return self.first.served

    @property
    def leaves(self) -> dict[str, str]:
        """The leaf that each service serves."""
        return {service.name: service.served for service in self.services}

    @property
    def workdir_root(self) -> Path:
        """The work directory of repairs: in the directory of a panel's host, and beside that of another host."""
        return (self.folder if self.panel else self.folder.parent) / "sslaudit"

    @property
    def changes(self) -> int:
        """The number of commands that changed something on it."""
        return sum(command.changes for command in self.session.commands)

    @property
    def calls(self) -> list[str]:
        """The calls of `whmapi1` that change something."""
        return calls_of(self.folder)

    def endpoint_of(self, service: FakeService) -> Endpoint:
        """Return the endpoint of a service."""
        return Endpoint(service.scheme, self.name, service.port, "127.0.0.1", self.label, f"ssh://{self.label}")

    def target(self, clock_offset_s: float = 0.0) -> Target:
        """Return how the first service is found."""
        return self._target(self.first, clock_offset_s)

    @property
    def targets(self) -> dict[str, Target]:
        """How all services are found, by endpoint."""
        return {str(self.endpoint_of(service)): self._target(service) for service in self.services}

    def _target(self, service: FakeService, clock_offset_s: float = 0.0) -> Target:
        view = HostView(
            self.label, f"ssh://{self.label}", clock_offset_s=clock_offset_s, is_cpanel=self.panel is not None,
            service=service.name, files=service.files, panel_service=service.name if self.panel else None,
        )  # fmt: skip
        return Target(self.endpoint_of(service), server=view)

    def installers(self, *, loads: bool = True) -> dict[str, Installer]:
        """Return the installers of services whose files are not of a panel."""
        services = () if self.panel else self.services
        return {service.name: service.installer(loads=loads) for service in services}

    def case(self, repair: Repair = Repair.REISSUE, **changes: Any) -> Case:  # noqa: ANN401 - any field
        """Return the case of its certificate."""
        services, endpoints = tuple(service.name for service in self.services), tuple(self.targets)
        mode = "0640" if self.panel else "0644"
        used = [(service.name, file) for service in self.services for file in service.files]
        files = tuple(UsedFile(name, file.path, file.kind, mode=mode) for name, file in used)
        identity = "panel" if self.panel else case_id(self.label, (self.name,), None)
        whole = Case(
            identity, self.label, f"ssh://{self.label}", repair, (self.name,), services, endpoints, files, (),
            steps_of(repair, services, endpoints), is_panel=self.panel is not None,
        )  # fmt: skip
        return replace(whole, **changes)

    def run(self, journal: Journal, ca: Any = None, **changes: Any) -> RunContext:  # noqa: ANN401 - any issuer, any field
        """Return what a run on this host alone may use."""
        return run_context(journal, ca or Ca(), self, **changes)

    def repair(self, journal: Journal, ca: Any = None, case: Case | None = None, **changes: Any) -> CaseResult:  # noqa: ANN401 - any issuer, any field of the run
        """Repair a certificate, that of its case if none is given."""
        return repaired(case or self.case(), self.run(journal, ca, **changes))


def run_context(journal: Journal, ca: Any, *hosts: FakeHost, **changes: Any) -> RunContext:  # noqa: ANN401 - any issuer, any field
    """Return what a run on these hosts may use; `changes` as in `changed`."""
    installers = {name: installer for host in hosts for name, installer in host.installers().items()}
    root = str(hosts[0].workdir_root)
    run = RunContext(
        journal=journal,
        hosts={
            host.label: HostContext(
                host.label, host.session, host.targets, host.panel, installers=installers, workdir_root=root
            )
            for host in hosts
        },
        issuer=ConfiguredIssuer(ca, "ca"),
        anchors=TrustAnchors({"lab": [AUTHORITY.root.certificate.public_bytes(Encoding.DER)]}),
        clock=lambda: datetime.now(UTC),
        lock_holder="a test",
        network=Network(NoRecords()),
        timeouts=TIMEOUTS,
    )
    return changed(run, **changes)


def repaired(case: Case, run: RunContext) -> CaseResult:
    """Repair one case and return how it ended."""
    (result,) = repair([case], run, CONCURRENCY)
    return result


def write_expired(folder: Path, name: str, private_key: PrivateKey | None = None) -> None:
    """Write an expired certificate and its key to a directory, and the file of what its service serves."""
    certificates, key = pems_of(leaf_of(name, -90), private_key)
    for file, text in {"tls.crt": certificates, "tls.key": key, "served": certificates + key}.items():
        (folder / file).write_text(text)


@contextmanager
def running_host(folder: Path, label: str) -> Iterator[FakeHost]:
    """Serve an expired certificate as long as the context lasts."""
    folder.mkdir()
    write_expired(folder, f"{label}.example")
    with serving(folder) as port:
        service = FakeService(f"gateway-{label}", folder, port, folder / "tls.crt", folder / "tls.key")
        yield FakeHost(label, folder, (service,))


@contextmanager
def running_panel_host(folder: Path, *services: str, label: str = "server") -> Iterator[FakeHost]:
    """Serve an expired certificate of its own on each service of a panel as long as the context lasts."""
    write_panel(folder)
    with ExitStack() as running:
        started = []
        for service in services:
            own = folder / service
            own.mkdir()
            load = f'cd {own} && {{ cat "$crt"; [ "$crt" = "$key" ] || cat "$key"; }} >new && mv new served'
            write_restart_scripts(folder, service, load)
            certificates, key = pems_of(leaf_of(f"{label}.example", -90))
            write_certificate(folder, service, certificates, key)
            (own / "served").write_text(certificates + key)
            port = running.enter_context(serving(own))
            started.append(FakeService(service, own, port, *certificate_files(folder, service)))
        session = LocalSession(moved={" /usr/local/cpanel/": f" {folder}/usr/local/cpanel/"})
        yield FakeHost(label, folder, tuple(started), session, Panel(str(folder), 20))


def digest_of(pem: str) -> str:
    """Return the SHA-256 of the first certificate of a PEM text."""
    return sha256(x509.load_pem_x509_certificate(pem.encode()).public_bytes(Encoding.DER)).hexdigest()
