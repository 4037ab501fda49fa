"""Certificates that the library refuses to sign, made with the openssl program."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.support.x509.certificates import Draft

Forge = Callable[..., bytes]


@pytest.fixture(scope="session")
def forge(tmp_path_factory: pytest.TempPathFactory) -> Forge:
    """Return a function that signs a draft's subject and key over a digest such as `md5`, with its issuer's RSA key."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("there is no openssl program")

    def sign(draft: Draft, digest: str, *, serial: int = 7) -> bytes:
        folder, issuer = tmp_path_factory.mktemp("forge"), draft.issuer or draft
        (folder / "request").write_bytes(_request(draft))
        (folder / "key").write_bytes(
            issuer.private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        )
        (folder / "issuer").write_bytes(x509.load_der_x509_certificate(issuer.der).public_bytes(Encoding.PEM))
        by = ("-CA", "issuer", "-CAkey", "key") if draft.issuer else ("-signkey", "key")
        command = (openssl, "x509", "-req", "-in", "request", *by, "-set_serial", str(serial), f"-{digest}",
                   "-days", "9", "-outform", "DER", "-out", "signed")  # fmt: skip
        subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=30)
        return (folder / "signed").read_bytes()

    return sign


def _request(draft: Draft) -> bytes:
    builder = x509.CertificateSigningRequestBuilder(x509.Name.from_rfc4514_string(draft.subject))
    return builder.sign(draft.private_key, hashes.SHA256()).public_bytes(Encoding.PEM)
