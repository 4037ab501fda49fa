"""Trust anchors by name of their source: `mozilla`, `system`, or a PEM file."""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from pathlib import Path

import certifi
import pytest
from audit.chain import Anchors
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding


def read_anchors(sources: Iterable[str]) -> Anchors:
    """Read the anchors; raises pytest.UsageError where a source holds none."""
    return Anchors({source: _certificates(source, _file_of(source)) for source in sources})


def _file_of(source: str) -> Path:
    if source == "mozilla":
        return Path(certifi.where())
    if source == "system":
        paths = ssl.get_default_verify_paths()
        return Path(paths.cafile or paths.openssl_cafile)
    return Path(source).expanduser()


def _certificates(source: str, file: Path) -> tuple[bytes, ...]:
    try:
        found = x509.load_pem_x509_certificates(file.read_bytes())
    except OSError as error:
        raise pytest.UsageError(f"trust {source!r}: {file}: {error.strerror}") from error
    except ValueError as error:
        raise pytest.UsageError(f"trust {source!r}: {file} holds no readable PEM certificate") from error
    return tuple(certificate.public_bytes(Encoding.DER) for certificate in found)
