"""Makes the key and the CSR of a case on the host that will use them, with that host's openssl.

Only the CSR comes back, and it is checked. The key never leaves the host.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from cryptography import x509

from audit.endpoint import to_address
from audit.policy.thresholds import ML_DSA
from audit.text import join_clauses, join_limited
from audit.x509.public_keys import read_key
from remediate.hosts import script
from remediate.hosts.command import Command, CommandResult
from remediate.hosts.workdir import HostWorkdir
from remediate.pki.csr import BadCsr, Csr, read_csr

KEY_TYPES: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    "rsa-2048": ("RSA 2048", ("RSA", "rsa_keygen_bits:2048")),
    "rsa-3072": ("RSA 3072", ("RSA", "rsa_keygen_bits:3072")),
    "rsa-4096": ("RSA 4096", ("RSA", "rsa_keygen_bits:4096")),
    # without its name older versions of openssl write the whole curve into the key, which no CA takes
    "ecdsa-p256": ("EC P-256", ("EC", "ec_paramgen_curve:P-256", "ec_param_enc:named_curve")),
    "ecdsa-p384": ("EC P-384", ("EC", "ec_paramgen_curve:P-384", "ec_param_enc:named_curve")),
    **{name.lower(): (name, (name,)) for name in ML_DSA},  # from OpenSSL 3.5 on
}
"""For each key type: the key in the CSR, and the arguments of openssl genpkey."""

_MAX_COMMON_NAME: Final = 64  # characters (RFC 5280 ub-common-name-length)
_NAME: Final = re.compile(r"(?:\*\.)?[a-z0-9_](?:[a-z0-9_-]{0,62})(?:\.[a-z0-9_][a-z0-9_-]{0,62})+")
_MAKE_S: Final = 300.0  # an RSA-4096 key takes a small machine a minute


def key_path(workdir: HostWorkdir) -> str:
    """Return the path on the host of the key that will be installed."""
    return f"{workdir.folder}/pending/key.pem"


def make_csr_command(workdir: HostWorkdir, names: Sequence[str], key_type: str) -> Command:
    """Return the command that makes the key and the CSR, or finds those it made before, and prints the CSR.

    Raises ValueError for names and key types that the plan should have refused.
    """
    _, (algorithm, *options) = KEY_TYPES[key_type]
    given = ("-algorithm", algorithm, *(word for option in options for word in ("-pkeyopt", option)))
    why = f"make a key ({key_type}) and a CSR for {join_limited(tuple(names))}"
    return workdir.exclusive(
        why, script("key/make_key"), _configuration(names, key_type), _subject(names), *given, timeout_s=_MAKE_S
    )


def discard_key_command(workdir: HostWorkdir) -> Command:
    """Return the command that destroys the pending key and CSR, because no CSR is used for two orders."""
    return workdir.exclusive("destroy the pending key and its CSR", script("key/discard_key"))


def read_host_csr(done: CommandResult, names: Sequence[str], key_type: str) -> Csr:
    """Return the CSR that the host printed; raises BadCsr with every difference from what was requested."""
    if not done.ok:
        lines = (done.error.strip() or done.output.strip()).splitlines()[-1:] or ["no output"]
        raise BadCsr(f"the host made no CSR: {lines[0][:300]}")
    csr = read_csr(done.output)
    faults = tuple(_faults(csr, names, key_type))
    if faults:
        raise BadCsr(f"the host made a CSR that differs from what was requested: {join_clauses(faults)}")
    return csr


def _faults(csr: Csr, names: Sequence[str], key_type: str) -> Iterator[str]:
    expected, actual = {to_address(name) or name.lower() for name in names}, set(csr.names)
    if expected != actual:
        yield f"it is for {join_limited(sorted(actual)) or 'no name'}, not for {join_limited(sorted(expected))}"
    public = x509.load_pem_x509_csr(csr.pem.encode("ascii")).public_key()
    key, _ = KEY_TYPES[key_type]
    if str(read_key(public)) != key:
        yield f"its key is {read_key(public)}, not {key}"


def _configuration(names: Sequence[str], key_type: str) -> str:
    """Return openssl's configuration for a CSR; a later run compares it to know what the CSR was made for."""
    if not names:
        raise ValueError("a CSR needs at least one name")
    alternatives = ",".join(map(_alternative, names))
    return (
        f"# {key_type}\n[req]\nprompt=no\ndistinguished_name=subject\nreq_extensions=extensions\n[subject]\n"
        f"[extensions]\nsubjectAltName={alternatives}"
    )


def _subject(names: Sequence[str]) -> str:
    """Return the first name short enough for the common name: CAs do not need one, but some resellers do."""
    short = next((name.lower() for name in names if len(name) <= _MAX_COMMON_NAME), None)
    return f"/CN={short}" if short else "/"


def _alternative(name: str) -> str:
    address = to_address(name)
    if address:
        return f"IP:{ipaddress.ip_address(address)}"
    if not _NAME.fullmatch(name.lower()):
        raise ValueError(f"{name!r} is not a name that a CA certifies")
    return f"DNS:{name.lower()}"
