"""The Ed25519 keys (RFC 8032) that sign the manifest of evidence and verify its signature.

What is signed is a line that names the purpose, then the bytes of the manifest: no signature of the same key over other
data is one of a manifest.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from audit.config import BadConfiguration
from audit.config.ownership import require_unchanged_by_others
from audit.config.private_files import read_regular
from audit.config.secret import read_private
from pytest_sslaudit.evidence.files import digest_of

PURPOSE: Final = b"pytest-sslaudit evidence manifest\n"
"""The line before the signed bytes. It is part of the format: other programs verify signatures too."""
SIGNATURE_BYTES: Final = 64
_FLAG: Final = "--audit-evidence-key"
_MOST_BYTES: Final = 65_536  # of the file of a key
_PRIVATE: Final = b"PRIVATE KEY-----"
_MAKE: Final = "make a key with: openssl genpkey -algorithm ed25519 -out FILE"


def read_signing_key(file: Path) -> Ed25519PrivateKey:
    """Return the private key in a PEM file that no other user can read or replace; raises BadConfiguration."""
    content = read_private(file, _FLAG)
    if _PRIVATE not in content:
        raise BadConfiguration(f"{_FLAG} {file}: it holds no private key, and a signature needs one; {_MAKE}")
    return _private_key(file, content)


def read_verifying_key(file: Path) -> Ed25519PublicKey:
    """Return the public key of a PEM file, which may also hold the private key; raises BadConfiguration.

    No other user can replace the file, and none can read a private key.
    """
    require_unchanged_by_others(file, _FLAG)
    try:
        content = read_regular(file.resolve(), _MOST_BYTES)
    except OSError as error:
        raise BadConfiguration(f"{_FLAG} {file}: {error.strerror}") from error
    if _PRIVATE in content:
        return read_signing_key(file).public_key()
    key = _loaded(file, lambda: serialization.load_pem_public_key(content))
    if not isinstance(key, Ed25519PublicKey):
        raise BadConfiguration(f"{_FLAG} {file}: it holds a key of another kind than Ed25519; {_MAKE}")
    return key


def _private_key(file: Path, content: bytes) -> Ed25519PrivateKey:
    key = _loaded(file, lambda: serialization.load_pem_private_key(content, None))
    if not isinstance(key, Ed25519PrivateKey):
        raise BadConfiguration(f"{_FLAG} {file}: it holds a key of another kind than Ed25519; {_MAKE}")
    return key


def _loaded(file: Path, load: Callable[[], object]) -> object:
    """Return what a function of the library loads; raises BadConfiguration, which repeats nothing of the file."""
    try:
        return load()
    except TypeError:  # the library's exception for a missing passphrase
        raise BadConfiguration(
            f"{_FLAG} {file}: the key is encrypted: name a file without a passphrase that only you can read"
        ) from None
    except (ValueError, UnsupportedAlgorithm):
        raise BadConfiguration(f"{_FLAG} {file}: it does not hold a key in PEM; {_MAKE}") from None


def key_id(key: Ed25519PublicKey) -> str:
    """Return the SHA-256 of the SubjectPublicKeyInfo of a key, as in `signed_by` of a manifest."""
    spki = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return digest_of(spki)


def sign(key: Ed25519PrivateKey, manifest: bytes) -> bytes:
    """Return the signature of the bytes of a manifest."""
    return key.sign(PURPOSE + manifest)


def is_signature(key: Ed25519PublicKey, signature: bytes, manifest: bytes) -> bool:
    """Return whether a signature is one of this key over these bytes of a manifest."""
    try:
        key.verify(signature, PURPOSE + manifest)
    except InvalidSignature:
        return False
    return True
