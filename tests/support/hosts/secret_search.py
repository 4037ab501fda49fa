"""Everything that was ever written on a host, and whether a key or a secret is in it."""

from __future__ import annotations

import base64
import email
import gzip
import io
import re
import subprocess
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from email.policy import SMTP
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from tests.support.hosts.host import Host
from tests.support.hosts.overlay import layer_of

_PEM: Final = re.compile(rb"-----BEGIN (?:EC )?PRIVATE KEY-----.*?-----END (?:EC )?PRIVATE KEY-----", re.DOTALL)
_WINDOW: Final = 40  # characters of base64
_BREAKS: Final = re.compile(rb"\\[rn]|=\r?\n|[\r\n]")


def written(host: Host, overlay: str = "main") -> dict[str, bytes]:
    """Return every file that was written on a host since it started, by path; in emails the attachments as well."""
    mounted = layer_of(overlay).folder / "root"
    argv = ["nsenter", f"--target={host.first_pid}", "--mount", "tar", "--create", "--ignore-failed-read"]
    argv += [f"--directory={mounted}/upper", ".", f"--directory={mounted}/root", "./run", "./dev/shm"]
    packed = subprocess.run([*argv, "--exclude=*.sock"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    with tarfile.open(fileobj=io.BytesIO(packed.stdout)) as archive:
        opened = ((entry.name.removeprefix("."), archive.extractfile(entry)) for entry in archive if entry.isreg())
        found = {path: file.read() for path, file in opened if file}
    emails = {path: content for path, content in found.items() if path.endswith(".eml")}
    return found | {f"{path}: {name}": part for path, raw in emails.items() for name, part in _parts(raw)}


def _parts(raw: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield the parts of an email, decoded."""
    for part in email.message_from_bytes(raw, policy=SMTP).walk():
        content = part.get_payload(decode=True)
        if isinstance(content, bytes):
            name = part.get_filename() or part.get_content_type()
            yield name, gzip.decompress(content) if name.endswith(".gz") else content


def scalars(files: Iterable[bytes]) -> dict[bytes, bytes]:
    """Return the private numbers of all the keys in some files, each with its PEM; of an RSA key its first prime."""
    pems = {match.group() for content in files for match in _PEM.finditer(content)}
    return {_number(load_pem_private_key(pem, None)): pem for pem in pems}


def _number(key: object) -> bytes:
    if isinstance(key, rsa.RSAPrivateKey):
        return key.private_numbers().p.to_bytes(key.key_size // 16, "big")
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return key.private_numbers().private_value.to_bytes(key.curve.key_size // 8, "big")


def holding(files: Mapping[str, bytes], wanted: Mapping[str, Iterable[bytes]]) -> set[tuple[str, str]]:
    """Return which files hold which of the wanted: its name, and any of its forms."""
    found = set()
    for path, content in files.items():
        unbroken = _BREAKS.sub(b"", content)
        for name, forms in wanted.items():
            if any(form in content or form in unbroken for form in forms):
                found.add((path, name))
    return found


def forms_of_key(scalar: bytes, pem: bytes) -> Iterator[bytes]:
    """Yield what gives a key away: its private number as it is, in hex, and any piece of its PEM as far as that goes.

    What follows in a PEM is the public key, which is in certificates too.
    """
    yield scalar
    yield scalar.hex().encode()
    text = b"".join(pem.splitlines()[1:-1])
    der = base64.b64decode(text)
    end = (der.index(scalar) + len(scalar)) * 4 // 3
    begin = max(0, der.index(scalar) * 4 // 3 - _WINDOW // 2)  # what is before it is the same in every key
    yield from (text[place : place + _WINDOW] for place in range(begin, end - _WINDOW + 1))
    yield base64.b64encode(scalar)[:_WINDOW]


def forms_of_secret(secret: str, user: str = "") -> Iterator[bytes]:
    """Yield a secret as it is, and as a login over SMTP says it."""
    yield secret.encode()
    yield base64.b64encode(secret.encode())
    yield base64.b64encode(f"\0{user}\0{secret}".encode())
