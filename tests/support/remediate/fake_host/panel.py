"""The paths of a cPanel & WHM server below a directory: the double of `whmapi1`, and scripts that restart services."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from remediate.cpanel.panel import Panel
from tests.support import whmapi1
from tests.support.remediate.own_programs import program

RESTART_SCRIPTS: Final = {"cpanel": ("cpsrvd", "cpdavd"), "exim": ("exim",)}
"""The services that a fake panel has, and the scripts that restart them."""
_RESTART: Final = """\
#!/bin/sh
crt={certificate} key={key} my={root}/var/cpanel/ssl/cpanel/mycpanel.pem
[ "$crt" != "$key" ] || [ ! -e "$my" ] || {{ crt=$my; key=$my; }}
echo "Waiting for {service} to restart......finished."
{load}
"""


def whmapi1_of(root: Path) -> Path:
    """Return where `whmapi1` is."""
    return root / "usr/local/cpanel/bin/whmapi1"


def calls_of(root: Path) -> list[str]:
    """Return the calls of `whmapi1` that change something."""
    file = root / "var/cpanel/whmapi1.calls"
    calls = file.read_text().splitlines() if file.exists() else []
    return [call for call in calls if not call.startswith("fetch")]


def certificate_files(root: Path, service: str) -> tuple[Path, Path]:
    """Return the files in which the panel makes the certificate and the key of a service."""
    certificate, key = (Path(file.path) for file in Panel(str(root)).default_files(service))
    return certificate, key


def write_panel(root: Path) -> None:
    """Write the double of `whmapi1`, which starts without looking for an interpreter and its packages."""
    for folder in (whmapi1_of(root).parent, root / "scripts", root / "var/cpanel/ssl"):
        folder.mkdir(parents=True)
    _, _, text = Path(whmapi1.__file__).read_text(encoding="utf-8").partition("\n")
    program(whmapi1_of(root), f"#!{sys.executable} -IS\n{text}")


def write_restart_scripts(root: Path, service: str, load: str) -> None:
    """Write the scripts that restart a service: this shell loads `$crt` and `$key`."""
    certificate, key = certificate_files(root, service)
    certificate.parent.mkdir(exist_ok=True)
    for script in RESTART_SCRIPTS[service]:
        text = _RESTART.format(root=root, certificate=certificate, key=key, service=service, load=load)
        program(root / f"scripts/restartsrv_{script}", text)


def write_certificate(root: Path, service: str, certificates: str, key: str) -> None:
    """Write a certificate and its key as the panel makes them."""
    for kept in whmapi1.FILES[service]:
        path = root / "var/cpanel/ssl" / kept.path
        path.write_text((key if "k" in kept.parts else "") + (certificates if "l" in kept.parts else ""))
        path.chmod(kept.mode)
