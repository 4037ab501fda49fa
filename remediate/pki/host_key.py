"""The key and the certification request of a case, made on the host that will use them by its own openssl.

It knows how to ask for both and how to judge the request that comes back; it refuses to see a key.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from cryptography import x509

from audit.endpoint import to_address
from audit.text import listing, sentence
from audit.x509.public_keys import read_key
from remediate.hosts import script
from remediate.hosts.command import Command, CommandResult
from remediate.hosts.workdir import HostWorkdir
from remediate.pki.csr import BadRequest, Csr, read_csr

KEY_TYPES: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    "rsa-2048": ("RSA 2048", ("RSA", "rsa_keygen_bits:2048")),
    "rsa-3072": ("RSA 3072", ("RSA", "rsa_keygen_bits:3072")),
    "rsa-4096": ("RSA 4096", ("RSA", "rsa_keygen_bits:4096")),
    # without its name older versions of openssl write the whole curve into the key, which no CA takes
    "ecdsa-p256": ("EC P-256", ("EC", "ec_paramgen_curve:P-256", "ec_param_enc:named_curve")),
    "ecdsa-p384": ("EC P-384", ("EC", "ec_paramgen_curve:P-384", "ec_param_enc:named_curve")),
}
"""What a key of each type is to be found to be, and what openssl genpkey is told to make it."""

_MAX_COMMON_NAME: Final = 64  # characters (RFC 5280 ub-common-name-length)
_NAME: Final = re.compile(r"(?:\*\.)?[a-z0-9_](?:[a-z0-9_-]{0,62})(?:\.[a-z0-9_][a-z0-9_-]{0,62})+")
_MAKE_S: Final = 300.0  # an RSA-4096 key takes a small machine a minute


def key_path(workdir: HostWorkdir) -> str:
    """Return where on the host the key of the case waits to be installed."""
    return f"{workdir.folder}/pending/key.pem"


def make_request(workdir: HostWorkdir, names: Sequence[str], key_type: str) -> Command:
    """Return the command that makes key and request, or finds those it made before, and prints the request.

    Raises ValueError for names and key types that were to be refused before.
    """
    _, (algorithm, *options) = KEY_TYPES[key_type]
    given = ("-algorithm", algorithm, *(word for option in options for word in ("-pkeyopt", option)))
    why = f"make a key ({key_type}) and a certification request for {listing(tuple(names))}"
    return workdir.exclusive(
        why, script("key_make"), _configuration(names, key_type), _subject(names), *given, timeout_s=_MAKE_S
    )


def discard_request(workdir: HostWorkdir) -> Command:
    """Return the command that destroys the pending key and request: no request is ordered with twice."""
    return workdir.exclusive("destroy the pending key and its request", script("key_discard"))


def read_request(done: CommandResult, names: Sequence[str], key_type: str) -> Csr:
    """Return the request that the host printed; raises BadRequest with everything about it that is not as asked."""
    if not done.ok:
        said = (done.error.strip() or done.output.strip()).splitlines()[-1:] or ["it said nothing"]
        raise BadRequest(f"the host made no request: {said[0][:300]}")
    csr = read_csr(done.output)
    faults = tuple(_faults(csr, names, key_type))
    if faults:
        raise BadRequest(f"the host made another request than it was asked for: {sentence(faults)}")
    return csr


def _faults(csr: Csr, names: Sequence[str], key_type: str) -> Iterator[str]:
    wanted, found = {to_address(name) or name.lower() for name in names}, set(csr.names)
    if wanted != found:
        yield f"it is for {listing(sorted(found)) or 'no name'}, not for {listing(sorted(wanted))}"
    public = x509.load_pem_x509_csr(csr.pem.encode("ascii")).public_key()
    key, _ = KEY_TYPES[key_type]
    if str(read_key(public)) != key:
        yield f"its key is {read_key(public)}, not {key}"


def _configuration(names: Sequence[str], key_type: str) -> str:
    """Return openssl's configuration for a request; it also tells a later run what the request was made for."""
    if not names:
        raise ValueError("a certification request has to be for a name")
    alternatives = ",".join(map(_alternative, names))
    return (
        f"# {key_type}\n[req]\nprompt=no\ndistinguished_name=subject\nreq_extensions=extensions\n[subject]\n"
        f"[extensions]\nsubjectAltName={alternatives}"
    )


def _subject(names: Sequence[str]) -> str:
    """Return the first name that is short enough as common name: a CA needs none, brokers have been seen to."""
    short = next((name.lower() for name in names if len(name) <= _MAX_COMMON_NAME), None)
    return f"/CN={short}" if short else "/"


def _alternative(name: str) -> str:
    address = to_address(name)
    if address:
        return f"IP:{ipaddress.ip_address(address)}"
    if not _NAME.fullmatch(name.lower()):
        raise ValueError(f"{name!r} is no name that can be certified")
    return f"DNS:{name.lower()}"
