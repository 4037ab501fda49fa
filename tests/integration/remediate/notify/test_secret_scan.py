"""Key bytes and secrets are found in every form, and ordinary results are not mistaken for them."""

from __future__ import annotations

import base64
import json
import subprocess

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from audit.redaction import Secrets
from remediate.notify.channels.base import HoldsSecret
from remediate.notify.channels.email_message import compose
from remediate.notify.notification import Attachment
from remediate.pki.secret_scan import find_secret
from tests.support.notify.notifications import item, notification, section
from tests.support.x509.certificates import ml_dsa_key

NONE = Secrets()
KEYS: dict[str, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey] = {
    "rsa-2048": rsa.generate_private_key(65537, 2048),
    "rsa-4096": rsa.generate_private_key(65537, 4096),
    "p-256": ec.generate_private_key(ec.SECP256R1()),
    "p-384": ec.generate_private_key(ec.SECP384R1()),
    "p-521": ec.generate_private_key(ec.SECP521R1()),
}
FORMATS = (PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL)


@pytest.mark.parametrize("format_", FORMATS, ids=["pkcs8", "traditional"])
@pytest.mark.parametrize("kind", KEYS)
def test_private_key_is_found_in_pem_base64_and_json(kind: str, format_: PrivateFormat) -> None:
    pem = KEYS[kind].private_bytes(Encoding.PEM, format_, NoEncryption())
    der = KEYS[kind].private_bytes(Encoding.DER, format_, NoEncryption())
    for content in (
        *(pem, pem.replace(b"\n", b"\r\n"), base64.b64encode(der), base64.encodebytes(der)),
        *(json.dumps({"detail": pem.decode()}).encode(), b"\n".join(pem.splitlines()[1:-1])),
    ):
        assert (find_secret(b"before " + content + b" after", NONE) or "").startswith("a private key")


@pytest.mark.parametrize("kind", ["rsa-2048", "p-256", "p-384"])
def test_private_key_is_found_in_der(kind: str) -> None:
    der = KEYS[kind].private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    assert find_secret(der, NONE) == "a private key in DER"


@pytest.mark.parametrize("kind", ["rsa-2048", "p-256"])
def test_private_key_is_found_as_openssl_prints_it(kind: str) -> None:
    pem = KEYS[kind].private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    printed = subprocess.run(["openssl", "pkey", "-text", "-noout"], input=pem, capture_output=True, check=True).stdout
    assert find_secret(printed, NONE) == "a private key as openssl prints it"


@pytest.mark.parametrize("number", [44, 65, 87])
def test_ml_dsa_key_is_found_in_base64_and_der(number: int) -> None:
    key = ml_dsa_key(number)
    der = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    long_form = b"\x30\x82\x0a\x00" + der[2:]  # as OpenSSL writes it, with the expanded key after the seed
    assert find_secret(der, NONE) == find_secret(long_form, NONE) == "a private key in DER"
    for private in (der, long_form):
        assert find_secret(base64.b64encode(private), NONE) == "a private key in PKCS #8"
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert find_secret(public, NONE) is find_secret(base64.b64encode(public), NONE) is None


def test_ed25519_key_is_found() -> None:
    pem = ed25519.Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    assert find_secret(pem.splitlines()[1], NONE) == "a private key in PKCS #8"


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"GET / Authorization: Bearer abcdefgh12345678", "a token"),
        (b"ssh://root:hunter2@web1 did not answer", "a password in a URL"),
        (b"the relay said: s3cr3t-t0ken is wrong", "a secret of the configuration"),
        (b"Authorization: Bearer token missing", None),
        (b"https://a.example.com:443 and https://[2001:db8::1]:443+192.0.2.7; ask admin@example.com", None),
        (b'{"endpoint": "web1/imaps://mail.example.com:993", "host": "ssh://root@web1"}', None),
    ],
)
def test_tokens_and_passwords_are_found_and_ordinary_results_are_not(content: bytes, found: str | None) -> None:
    assert find_secret(content, Secrets(("s3cr3t-t0ken", "", "ab"))) == found


@pytest.mark.parametrize("kind", KEYS)
def test_public_key_is_not_a_secret(kind: str) -> None:
    pem = KEYS[kind].public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    assert find_secret(pem, NONE) is None


def test_email_with_a_secret_is_refused_without_repeating_it() -> None:
    pem = KEYS["p-256"].private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    for refused_notification in (
        notification(section(item(happened=f"the hook printed {pem}"))),
        notification(section(item(tried="x" * 500 + pem))),
        notification(attachments=(Attachment("results.jsonl", json.dumps({"detail": pem}).encode()),)),
    ):
        with pytest.raises(HoldsSecret) as refused:
            compose(refused_notification, "a@example.com", ["b@example.com"])
        assert pem.splitlines()[1] not in str(refused.value)
    with pytest.raises(HoldsSecret, match="a secret of the configuration is in the message"):
        compose(
            notification(section(item(happened="401: tok-1234567 refused"))),
            *("a@example.com", ["b@example.com"]),
            secrets=Secrets(("tok-1234567",)),
        )
