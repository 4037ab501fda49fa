"""What the library `cryptography` alone reads of certificates, for comparison: it judges none.

It asks for what a linter needs, as the library gives it, and counts where an exception ends that.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from typing import Final

from cryptography import x509

from audit.x509.certificate import Certificate

ASKED: Final[tuple[Callable[[x509.Certificate], object], ...]] = (
    lambda parsed: parsed.subject,
    lambda parsed: parsed.issuer,
    lambda parsed: parsed.serial_number,
    lambda parsed: (parsed.not_valid_before_utc, parsed.not_valid_after_utc),
    lambda parsed: parsed.public_key(),
    lambda parsed: parsed.signature_hash_algorithm,
    lambda parsed: parsed.extensions,
)


def reads(der: bytes) -> bool:
    """Tell whether the library gives all that is asked for of a certificate."""
    return _gives(der, *ASKED)


def figures(certificates: Iterable[Certificate]) -> tuple[str, ...]:
    """Return in a line each how much the library gives, and how much is read here."""
    every = list(certificates)
    whole, full, keys = (
        sum(_gives(one.der, *asked) for one in every)
        for asked in ((), ASKED, (lambda parsed: parsed.public_key(),))
    )  # fmt: skip
    named = sum(bool(one.faults) for one in every)
    of_fields = (
        f"{len(every)} certificates: the library refuses {len(every) - whole} as a whole and {whole - full} more in a "
        f"field or extension; here none raises, and cert.malformed names {named}"
    )
    of_keys = f"keys: the library gives {keys} of them, here {sum(one.has_readable('key') for one in every)} are judged"
    return of_fields, of_keys


def _gives(der: bytes, *asked: Callable[[x509.Certificate], object]) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            parsed = x509.load_der_x509_certificate(der)
            for question in asked:
                question(parsed)
    except Exception:  # noqa: BLE001 - whatever it raises, it does not give it
        return False
    return True
