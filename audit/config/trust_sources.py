"""Reads the trust anchors by the name of their source, and finds this machine's list of compromised keys."""

from __future__ import annotations

import hashlib
import os
import ssl
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import certifi

from audit.config.schema import BadConfiguration, Configuration
from audit.x509.certificate import read_certificate
from audit.x509.path.served_chain import TrustAnchors
from audit.x509.pem import certificates_in

_NAMED: Final = ("mozilla", "system")
"""Sources that are not files."""
_KEY_LIST: Final = ("badkeysdata.json", "blocklist.dat")


def trusted(configuration: Configuration) -> tuple[str, ...]:
    """Return the sources of anchors that the configuration names, `mozilla` if it names none."""
    named = (source if source in _NAMED else str(configuration.path(source)) for source in configuration.trust)
    return tuple(named) or ("mozilla",)


def read_anchors(sources: Iterable[str]) -> TrustAnchors:
    """Read the anchors; raises BadConfiguration if a source holds none."""
    return TrustAnchors({source: _certificates(source, _file_of(source)) for source in sources})


def digest_of_source(source: str) -> str:
    """Return the SHA-256 of the file of a source, as `sha256sum` prints it; raises BadConfiguration."""
    file = _file_of(source)
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError as error:
        raise BadConfiguration(f"trust {source!r}: {file}: {error.strerror}") from error


def _file_of(source: str) -> Path:
    if source == "mozilla":
        return Path(certifi.where())
    if source == "system":
        paths = ssl.get_default_verify_paths()
        return Path(paths.cafile or paths.openssl_cafile)
    return Path(source).expanduser()


def _certificates(source: str, file: Path) -> tuple[bytes, ...]:
    """Read the blocks as bytes, because real stores hold certificates that a strict parser refuses or warns of."""
    try:
        certificates = certificates_in(file.read_text(encoding="utf-8", errors="replace"))
    except OSError as error:
        raise BadConfiguration(f"trust {source!r}: {file}: {error.strerror}") from error
    except ValueError as error:
        raise BadConfiguration(f"trust {source!r}: {file}: a block in it is not base64") from error
    if not any(read_certificate(der).has_readable("subject") for der in certificates):
        raise BadConfiguration(f"trust {source!r}: {file} holds no readable PEM certificate")
    return certificates


def has_key_list() -> bool:
    """Return whether the list of compromised keys is where `badkeys --update-bl` puts it."""
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")  # noqa: PTH111 - there may be no home
    return all(Path(cache, "badkeys", name).is_file() for name in _KEY_LIST)
