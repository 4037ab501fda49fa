"""Checks the files of `[fleet]`, with which a run proves to a Dask scheduler who it is, before anything is observed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from audit.config import BadConfiguration, Configuration
from audit.config.ownership import require_unchanged_by_others
from audit.config.private_files import read_regular
from audit.config.secret import read_private
from audit.text import format_utc

_MOST_BYTES: Final = 1_000_000  # of a file
_UNUSABLE: Final = (ValueError, TypeError, UnsupportedAlgorithm)
_Loaded = TypeVar("_Loaded")


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """The files of one member of a cluster: the CA of all members, the certificate with its chain, and its key."""

    ca: Path
    certificate: Path
    key: Path


def read_tls_files(configuration: Configuration, now: datetime) -> TlsFiles:
    """Return the files of `[fleet]`, which belong together and are valid now; raises BadConfiguration."""
    files = TlsFiles(*(_file(configuration, name) for name in ("ca", "certificate", "key")))
    place = f"{configuration.file}: [fleet]"
    authorities = _certificates(files.ca, f"{place} ca")
    chain = _certificates(files.certificate, f"{place} certificate")
    key = _key(files.key, f"{place} key")
    if key.public_key() != chain[0].public_key():
        raise BadConfiguration(
            f"{place} key: {files.key} is not the key of the certificate in {files.certificate}: name the file of "
            "its key, or put the certificate first in its file"
        )
    _require_issued(chain, authorities, files, f"{place} certificate")
    _require_valid(chain[0], files.certificate, f"{place} certificate", now)
    return files


def _file(configuration: Configuration, name: str) -> Path:
    written: str | None = getattr(configuration.fleet, name)
    if written is None:
        raise BadConfiguration(
            f"{configuration.file or 'configuration'}: [fleet] {name} is missing: a scheduler with tls:// needs the "
            "files ca, certificate and key (docs/fleet.md)"
        )
    return configuration.path(written).absolute()


def _certificates(file: Path, place: str) -> Sequence[x509.Certificate]:
    require_unchanged_by_others(file, place)
    try:
        content = read_regular(file.resolve(), _MOST_BYTES)
    except OSError as error:
        raise BadConfiguration(f"{place}: {file}: {error.strerror}") from error
    return _loaded(lambda: x509.load_pem_x509_certificates(content), f"{place}: {file} holds no certificate in PEM")


def _key(file: Path, place: str) -> PrivateKeyTypes:
    content = read_private(file, place)
    fix = "name a key in PEM without a passphrase"
    return _loaded(lambda: load_pem_private_key(content, None), f"{place}: {file} holds no key that can be used: {fix}")


def _loaded(load: Callable[[], _Loaded], reason: str) -> _Loaded:
    """Return what a function of the library loads; raises BadConfiguration, which repeats nothing of the file."""
    try:
        return load()
    except _UNUSABLE:
        raise BadConfiguration(reason) from None


def _require_issued(
    chain: Sequence[x509.Certificate], authorities: Sequence[x509.Certificate], files: TlsFiles, place: str
) -> None:
    """Raise BadConfiguration if no CA issued the last certificate of the chain; a root at its end is accepted."""
    if not any(chain[-1] == authority or _issued(chain[-1], authority) for authority in authorities):
        raise BadConfiguration(
            f"{place}: {files.certificate} ({chain[-1].subject.rfc4514_string()}) was not issued by a CA in "
            f"{files.ca}: name the file of its CA in ca, or add the intermediates to the certificate"
        )


def _issued(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except (InvalidSignature, *_UNUSABLE):
        return False
    return True


def _require_valid(certificate: x509.Certificate, file: Path, place: str, now: datetime) -> None:
    first, last = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if not first <= now <= last:
        raise BadConfiguration(
            f"{place}: {file} is valid from {format_utc(first)} to {format_utc(last)}, not now: have it issued again"
        )
