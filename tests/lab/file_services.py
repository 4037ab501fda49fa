"""Services that have their key and certificates in files, and use what they last loaded of them."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from OpenSSL import SSL

from tests.lab.faults import Files, Planted
from tests.lab.leaves import Served
from tests.lab.servers import make_context
from tests.support.x509.ca import PrivateKey


@dataclass(frozen=True, slots=True)
class Paths:
    """Where a service has its files; without a `chain` the certificates of the CAs follow the leaf."""

    certificate: Path
    key: Path
    chain: Path | None = None

    @property
    def test(self) -> str:
        """The shell command that fails where certificate and key do not agree, as a service's own test would."""
        certificate, key = (shlex.quote(str(path)) for path in (self.certificate, self.key))
        return f'[ "$(openssl x509 -in {certificate} -noout -pubkey)" = "$(openssl pkey -in {key} -pubout)" ]'

    @property
    def careless_test(self) -> str:
        """The shell command of a service that does not compare them."""
        certificate, key = (shlex.quote(str(path)) for path in (self.certificate, self.key))
        return f"openssl x509 -in {certificate} -noout && openssl pkey -in {key} -noout"


@dataclass(slots=True)
class Service:
    """A service of the host: one context for each socket, which all are of the files once these were taken up."""

    planted: Planted
    paths: Paths
    contexts: list[SSL.Context]

    @property
    def name(self) -> str:
        """What it is called."""
        return self.planted.label

    def take_up(self) -> None:
        """Use what lies in the files; raises OSError, ValueError or SSL.Error where it cannot, and nothing changes."""
        context = make_context(_read(self.paths), self.planted.tls)
        context.check_privatekey()
        self.contexts[:] = [context] * len(self.contexts)


def paths_of(folder: Path, files: Files, label: str) -> Paths:
    """Return where a service has its files below the host's folder."""
    own = folder.joinpath(*filter(None, ("etc", files.keeper, files.of or label)))
    chain = None if files.chain == "with-leaf" else own / "chain.pem"
    return Paths(own / "certificate.pem", own / "key.pem", chain)


def lay(paths: Paths, files: Files, served: Served) -> None:
    """Write the files of a service."""
    _make_folder(paths.key.parent)
    _write(paths.key, _pem_of_key(served.key), files.key_mode)
    leaf, above = _pem(*served.chain[:1]), _pem(*served.chain[1:])
    if files.chain == "apart" and paths.chain:
        _write(paths.chain, above, 0o644)
        above = b""
    _write(paths.certificate, leaf + above, 0o644)


def _read(paths: Paths) -> Served:
    content = paths.certificate.read_bytes() + (paths.chain.read_bytes() if paths.chain else b"")
    key = load_pem_private_key(paths.key.read_bytes(), None)
    if not isinstance(key, PrivateKey):
        raise ValueError(f"{paths.key} holds a key of an unknown kind")  # noqa: TRY004 - what is wrong is in the file
    return Served(key, tuple(x509.load_pem_x509_certificates(content)))


def _make_folder(folder: Path) -> None:
    """Make a folder and those above it, writable by no other user whatever the umask."""
    if not folder.is_dir():
        _make_folder(folder.parent)
        folder.mkdir(0o755)


def _write(path: Path, content: bytes, mode: int) -> None:
    path.touch(0o600)
    path.write_bytes(content)
    path.chmod(mode)


def _pem(*certificates: x509.Certificate) -> bytes:
    return b"".join(certificate.public_bytes(Encoding.PEM) for certificate in certificates)


def _pem_of_key(key: PrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
