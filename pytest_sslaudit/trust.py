"""Trust anchors by name of their source: `mozilla`, `system`, or a PEM file."""

from __future__ import annotations

import base64
import re
import ssl
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import certifi
import pytest

from audit.certificate import read_certificate
from audit.chain import Anchors

BLOCK: Final = re.compile(rb"-----BEGIN CERTIFICATE-----(.+?)-----END CERTIFICATE-----", re.DOTALL)


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
    """Read the blocks as bytes: real stores hold certificates that a strict parser refuses or warns of."""
    try:
        blocks = BLOCK.findall(file.read_bytes())
        found = tuple(base64.b64decode(b"".join(block.split()), validate=True) for block in blocks)
    except OSError as error:
        raise pytest.UsageError(f"trust {source!r}: {file}: {error.strerror}") from error
    except ValueError as error:
        raise pytest.UsageError(f"trust {source!r}: {file}: a block in it is not base64") from error
    if not any(read_certificate(der).can_ask("subject") for der in found):
        raise pytest.UsageError(f"trust {source!r}: {file} holds no readable PEM certificate")
    return found
