"""Exim of a panel whose root is a folder: the double of WHM, a restart that copies files, and what is served then.

It has one service and one certificate; it starts no daemon.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from audit.observation import FileFault, InstalledFile
from remediate.cpanel.panel import Panel
from remediate.execution.context import RunContext
from remediate.model.case import Case, Repair, UsedFile, steps_of
from remediate.model.options import Timeouts
from remediate.state.journal import Journal
from tests.support.remediate.folder_hosts import AUTHORITY, DAY, NOW, Ca, FolderHost, run_context, running_host
from tests.support.remediate.whm_folder import write_whmapi1
from tests.support.store.issuance import to_pem
from tests.support.x509.ca import Leaf, issue

WAITS = Timeouts(confirmation_s=20, proof_s=5.0, issuance_s=0.1, look_s=0.05)
RESTART = (
    "#!/bin/sh\ncd {root}/var/cpanel/ssl/exim && cat exim.crt exim.key >{served}.new && mv {served}.new {served}\n"
)


@dataclass(frozen=True, slots=True)
class Exim:
    """Exim of a panel whose root is a folder, in front of what its restart took up last."""

    root: Path
    host: FolderHost

    @property
    def certificate(self) -> Path:
        """The file of its certificate."""
        return self.root / "var/cpanel/ssl/exim/exim.crt"

    @property
    def calls(self) -> list[str]:
        """The calls of WHM that change something."""
        calls = self.root / "var/cpanel/whmapi1.calls"
        known = calls.read_text().splitlines() if calls.exists() else []
        return [call for call in known if not call.startswith("fetch")]

    def install(self, begins: int, days: int) -> None:
        """Write a certificate of the CA, and its key."""
        names = (self.host.endpoint.name,)
        identity = issue(Leaf(names[0], names, NOW + begins * DAY, days * DAY), AUTHORITY.intermediate)
        self.certificate.write_text(to_pem(identity.certificate, AUTHORITY.intermediate.certificate))
        key = identity.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        self.certificate.with_suffix(".key").write_text(key)

    def case(self, kind: Repair = Repair.REISSUE, **changes: Any) -> Case:  # noqa: ANN401 - any field
        """Return the case of its certificate."""
        endpoint = str(self.host.endpoint)
        files = (UsedFile("exim", str(self.certificate), "certificate"),
                 UsedFile("exim", str(self.certificate.with_suffix(".key")), "key"))  # fmt: skip
        steps = steps_of(kind, ("exim",), (endpoint,))
        whole = self.host.case(kind, id="panel", services=("exim",), files=files, steps=steps, is_panel=True)
        return replace(whole, **changes)

    def run(self, journal: Journal, ca: Ca, **changes: Any) -> RunContext:  # noqa: ANN401 - any field
        """Return what a run may use here."""
        target = self.host.target()
        assert target.server is not None
        pem = self.certificate.read_bytes() if self.certificate.exists() else b""
        chain = (
            tuple(certificate.public_bytes(Encoding.DER) for certificate in x509.load_pem_x509_certificates(pem))
            if pem
            else ()
        )
        fault: FileFault | None = None if pem else "missing"
        files = (InstalledFile(str(self.certificate), "certificate", chain_der=chain, fault=fault),
                 InstalledFile(str(self.certificate.with_suffix(".key")), "key", fault=fault))  # fmt: skip
        server = replace(target.server, service="exim", panel_service="exim", files=files)
        targets = {str(self.host.endpoint): replace(target, server=server)}
        given = {"targets": targets, "panel": Panel(str(self.root), 20), "timeouts": WAITS}
        return run_context(journal, ca, self.host, **(given | changes))

    @property
    def is_self_signed(self) -> bool:
        """Whether what is served signs itself."""
        served = x509.load_pem_x509_certificate(self.host.served.encode())
        return served.issuer == served.subject


@contextmanager
def running_exim(root: Path) -> Iterator[Exim]:
    """Let it serve a certificate that has expired, as long as the context lasts."""
    for folder in ("usr/local/cpanel/bin", "scripts", "var/cpanel/ssl/exim"):
        (root / folder).mkdir(parents=True)
    write_whmapi1(root / "usr/local/cpanel/bin/whmapi1")
    with running_host(root / "a", "a") as host:
        script = root / "scripts/restartsrv_exim"
        script.write_text(RESTART.format(root=root, served=host.folder / "served"))
        script.chmod(0o755)
        running = Exim(root, host)
        running.install(-90, 60)
        yield running
