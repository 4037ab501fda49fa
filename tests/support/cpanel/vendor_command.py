"""The panel's own program as a strict double: it orders certificates that only it can order, and installs them.

A file says that it does nothing today, and still ends well.
"""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from tests.support.cpanel.layout import RESTARTS

PATH: Final = "/usr/local/cpanel/bin/checkallsslcerts"
PROVIDER: Final = Path("/var/cpanel/provider")  # where the provider takes the program's orders
IDLE: Final = Path("/var/cpanel/idle")
RUNS: Final = Path("/var/log/own-program")
_OPTIONS: Final = {"--verbose", "--allow-retry", "--no-retry"}
_API: Final = ("/usr/local/cpanel/bin/whmapi1", "--output=json")
_SENTENCE: Final = (
    "The system will attempt to replace the self-signed certificate for the {} service with a signed certificate from "
    "the cPanel Store.\n"
)


def main(*options: str) -> None:
    """Replace the certificate of every service whose certificate signs itself."""
    if unknown := set(options) - _OPTIONS:
        sys.exit(f"Unknown option: {min(unknown)}")
    with RUNS.open("a") as runs:
        runs.write(" ".join(options) + "\n")
    if IDLE.exists():
        return
    components = _asked("fetch_service_ssl_components")["services"]
    due = [one["service"] for one in components if not one["certificate"] or one["certificate_info"]["is_self_signed"]]
    if "--verbose" in options:
        sys.stdout.writelines(map(_SENTENCE.format, due))
    if due:
        key, chain = _ordered(Path("/proc/sys/kernel/hostname").read_text().strip())
        for service in due:
            _install(service, key, chain)


def _asked(function: str, **values: str) -> Any:  # noqa: ANN401 - any JSON
    """Return what the panel's interface answers; the arguments go to its standard input."""
    argv = [*_API, "--input=json", function]
    done = subprocess.run(argv, input=json.dumps(values), capture_output=True, text=True, check=True)
    return json.loads(done.stdout)["data"]


def _ordered(name: str) -> tuple[str, list[str]]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    names = x509.SubjectAlternativeName([x509.DNSName(name)])
    csr = x509.CertificateSigningRequestBuilder().subject_name(subject).add_extension(names, critical=False)
    body = csr.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)
    with urllib.request.urlopen(PROVIDER.read_text().strip(), body) as answer:  # noqa: S310 - an address of the test
        chain = x509.load_pem_x509_certificates(answer.read())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return pem, [one.public_bytes(Encoding.PEM).decode() for one in chain]


def _install(service: str, key: str, chain: list[str]) -> None:
    leaf, *above = chain
    _asked("install_service_ssl_certificate", service=service, crt=leaf, key=key, cabundle="".join(above))
    for name in RESTARTS[service]:
        subprocess.run([f"/scripts/restartsrv_{name}"], stdout=subprocess.DEVNULL, check=True)
