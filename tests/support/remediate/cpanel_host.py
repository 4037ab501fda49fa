"""A host with a panel whose services use files of the panel, installed by its API.

It has the paths of the panel, and each service serves the files that it copied; commands run on this machine.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from audit.endpoint import Endpoint
from audit.observation import HostView, InstalledFile
from audit.probe import Target
from remediate.cpanel.panel import Panel
from remediate.execution.context import RunContext
from remediate.model.case import Case, Repair, UsedFile, steps_of
from remediate.model.options import Timeouts
from remediate.state.journal import Journal
from tests.support import whmapi1
from tests.support.remediate.folder_hosts import Ca, FolderHost, LocalSession, run_context, running_host
from tests.support.remediate.whm_folder import write_whmapi1

LABEL: Final = "server"
NAME: Final = "server.example"
SERVICES: Final = ("cpanel", "exim")
_SCRIPTS: Final = {"cpanel": ("cpsrvd", "cpdavd"), "exim": ("exim",)}
_RESTART: Final = """\
#!/bin/sh
cd {ssl} || exit 1
set -- {files}
[ ! -e cpanel/mycpanel.pem ] || [ "$1" != cpanel/cpanel.pem ] || set -- cpanel/mycpanel.pem
cat "$@" >{folder}/served.new && mv {folder}/served.new {folder}/served
"""
_KINDS: Final = {
    "cpanel": (("cpanel/cpanel.pem", "certificate"), ("cpanel/cpanel.pem", "key")),
    "exim": (("exim/exim.crt", "certificate"), ("exim/exim.key", "key")),
}


@dataclass(frozen=True, slots=True)
class PanelHost:
    """The directory of the panel, and the host of each of its services."""

    root: Path
    service_hosts: Mapping[str, FolderHost]
    session: LocalSession

    @property
    def ssl(self) -> Path:
        """Where the panel keeps the certificates of its services."""
        return self.root / "var/cpanel/ssl"

    @property
    def program(self) -> Path:
        """Where `whmapi1` is."""
        return self.root / "usr/local/cpanel/bin/whmapi1"

    @property
    def served(self) -> dict[str, str]:
        """The leaf that each service serves."""
        return {service: service_host.served for service, service_host in self.service_hosts.items()}

    @property
    def calls(self) -> list[str]:
        """The calls of `whmapi1`."""
        return (self.root / "var/cpanel/whmapi1.calls").read_text().splitlines()

    def endpoint(self, service: str) -> Endpoint:
        """Return the endpoint of a service."""
        port = self.service_hosts[service].port
        return Endpoint("https", NAME, port, "127.0.0.1", LABEL, f"ssh://{LABEL}", service=service)

    @property
    def targets(self) -> dict[str, Target]:
        """How the endpoints are found, with the files that are used now."""
        return {str(self.endpoint(service)): self._target(service) for service in self.service_hosts}

    def _target(self, service: str) -> Target:
        files = tuple(self._file(path, kind) for path, kind in _KINDS[service])
        view = HostView(LABEL, f"ssh://{LABEL}", is_cpanel=True, service=service, files=files)
        return Target(self.endpoint(service), server=view)

    def _file(self, name: str, kind: Any) -> InstalledFile:  # noqa: ANN401 - one of the kinds
        path = self.ssl / name
        installed = path.with_name(f"my{path.name}")
        real = installed if installed.exists() else path
        certificates = x509.load_pem_x509_certificates(real.read_bytes()) if kind == "certificate" else ()
        chain = tuple(certificate.public_bytes(Encoding.DER) for certificate in certificates)
        return InstalledFile(str(real), kind, str(real), chain_der=chain)

    def case(self, repair: Repair = Repair.REISSUE, **changes: Any) -> Case:  # noqa: ANN401 - any field
        """Return the case of all services."""
        targets = self.targets
        files = tuple(
            UsedFile(target.server.service, file.path, file.kind, mode="0640")
            for target in targets.values()
            if target.server and target.server.service
            for file in target.server.files
        )
        whole = Case(
            "panel", LABEL, f"ssh://{LABEL}", repair, (NAME,), SERVICES, tuple(targets), files, (),
            steps_of(repair, SERVICES, tuple(targets)), is_panel=True,
        )  # fmt: skip
        return replace(whole, **changes)

    def run(self, journal: Journal, ca: Any, **changes: Any) -> RunContext:  # noqa: ANN401 - any issuer, any field
        """Return what a run may use here."""
        service_host = next(iter(self.service_hosts.values()))
        given = {
            "session": self.session, "targets": self.targets, "workdir_root": str(self.root / "sslaudit"),
            "panel": Panel(str(self.root), 20),
            "timeouts": Timeouts(confirmation_s=20, proof_s=0.5, issuance_s=2.0, visible_s=0.2, look_s=0.2),
        }  # fmt: skip
        return run_context(journal, ca or Ca(), service_host, **(given | changes))


@contextmanager
def running_panel(root: Path) -> Iterator[PanelHost]:
    """Serve an expired certificate on every service as long as the context lasts."""
    with ExitStack() as running:
        (root / "scripts").mkdir(parents=True)
        service_hosts = {service: running.enter_context(running_host(root / service, "server")) for service in SERVICES}
        host = PanelHost(root, service_hosts, LocalSession())
        host.program.parent.mkdir(parents=True)
        write_whmapi1(host.program)
        for service, service_host in service_hosts.items():
            lay(host, service)
            files = " ".join(dict.fromkeys(path for path, _ in _KINDS[service]))
            for script in _SCRIPTS[service]:
                path = root / "scripts" / f"restartsrv_{script}"
                path.write_text(_RESTART.format(ssl=host.ssl, files=files, folder=service_host.folder))
                path.chmod(0o755)
        yield host


def lay(host: PanelHost, service: str) -> None:
    """Write what a service serves into the files that the panel creates."""
    folder, parts = host.service_hosts[service].folder, {"lc": "tls.crt", "k": "tls.key"}
    for kept in whmapi1.FILES[service]:
        path = host.ssl / kept.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join((folder / parts[part]).read_text() for part in ("k", "lc") if part in kept.parts))
        path.chmod(kept.mode)
