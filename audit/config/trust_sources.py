"""Trust anchors by name of their source: `mozilla`, `system`, or a PEM file."""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import certifi

from audit.config.schema import BadConfiguration, Configuration
from audit.x509.certificate import read_certificate
from audit.x509.path.served_chain import Anchors
from audit.x509.pem import certificates_in

_NAMED: Final = ("mozilla", "system")
"""Sources that are no files."""


def trusted(configuration: Configuration) -> tuple[str, ...]:
    """Return the sources of anchors that the configuration names, `mozilla` where it names none."""
    named = (source if source in _NAMED else str(configuration.path(source)) for source in configuration.trust)
    return tuple(named) or ("mozilla",)


def read_anchors(sources: Iterable[str]) -> Anchors:
    """Read the anchors; raises BadConfiguration where a source holds none."""
    return Anchors({source: _certificates(source, _file_of(source)) for source in sources})


def _file_of(source: str) -> Path:
    if source == "mozilla":
        return Path(certifi.where())
    if source == "system":
        paths = ssl.get_default_verify_paths()
        return Path(paths.cafile or paths.openssl_cafile)
    return Path(source).expanduser()


def _certificates(source: str, file: Path) -> tuple[bytes, ...]:
    """Read the blocks as bytes: real stores hold certificates that a strict parser refuses or warns of."""
    try:
        found = certificates_in(file.read_text(encoding="utf-8", errors="replace"))
    except OSError as error:
        raise BadConfiguration(f"trust {source!r}: {file}: {error.strerror}") from error
    except ValueError as error:
        raise BadConfiguration(f"trust {source!r}: {file}: a block in it is not base64") from error
    if not any(read_certificate(der).has_readable("subject") for der in found):
        raise BadConfiguration(f"trust {source!r}: {file} holds no readable PEM certificate")
    return found
