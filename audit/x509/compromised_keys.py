"""Whether others may have a private key: the public key is weak enough to compute it, or it is on a list of known keys.

The library `badkeys` does the checks if it is installed. Factors and private keys that it computes are neither kept nor
reported.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, Final

from audit.x509.public_keys import KeyFacts, small_factors

_INSTALL: Final = "pip install 'pytest-sslaudit[keys]'"
ATTACKS: Final[Mapping[str, str]] = {
    "fermat": "the two primes are so close that Fermat's method finds them",
    "roca": "a library with predictable primes made it (ROCA, CVE-2017-15361)",
    "rsapoly": "the modulus has a pattern by which it can be factored",
    "sharedprimes": "it shares a prime with another known key",
    "smalld": "the private exponent is so small that Wiener's method finds it",
    "smallfactors": "the modulus has a small prime factor",
}
"""The library's checks of an RSA key that prove it broken, and what each means (BR 6.1.1.3(5)).

`pattern` and `rsabias` are left out because they find unusual keys that are not broken; `rsainvalid` and `rsawarnings`
because the thresholds of a policy cover them.
"""
_PRIME: Final = "the modulus is a prime, so that everyone can compute the private exponent"
_LIST: Final = "blocklist"
_UNREADABLE: Final = (SystemExit, OSError, ValueError, KeyError, TypeError)  # the library ends the program for a file


@dataclass(frozen=True, slots=True)
class Flaws:
    """One message per flaw that was found; and why the list could not be read, or why the key could not be checked."""

    found: tuple[str, ...] = ()
    unread: str = ""
    unchecked: str = ""


def flaws_of(key: KeyFacts, *, has_list: bool) -> Flaws:
    """Return why others may have the private key.

    `has_list`: the library's list of known keys is on this machine.
    """
    if key.has_small_factor:
        return Flaws(small_factors(key))
    library = _library()
    if library is None:
        return Flaws(unchecked=f"the library badkeys, which finds compromised keys, is not installed: {_INSTALL}")
    if key.number is None or (key.kind != "RSA" and not has_list):
        why = f"{key} can only be checked against a list of known keys; none is installed (run badkeys --update-bl)"
        return Flaws(unchecked=why)
    return _check_key(key, has_list=has_list)


@lru_cache(maxsize=4096)
def _check_key(key: KeyFacts, *, has_list: bool) -> Flaws:
    """Check each key once."""
    library: Any = _library()
    flaws = list(_broken(library, key)) if key.kind == "RSA" else []
    try:
        known: Any = library.allchecks[_LIST]["function"](key.number) if has_list else False
    except _UNREADABLE as error:
        return Flaws(tuple(flaws), f"{type(error).__name__}: {error}")
    if known:
        flaws.append(f"it is on the list of known keys, as {known.get('subtest', 'one of them')}")
    return Flaws(tuple(flaws))


def _broken(library: Any, key: KeyFacts) -> tuple[str, ...]:  # noqa: ANN401 - the library has no types
    if key.number is None or key.number < 1:
        return ()  # not a modulus
    if _is_prime(key.number):
        return (_PRIME,)
    results = library.checkrsa(key.number, e=key.exponent or 0, checks=tuple(ATTACKS))
    return tuple(message for name, message in ATTACKS.items() if name in results)


def _is_prime(number: int) -> bool:
    """Return whether a number is a prime, by the library that badkeys calculates with."""
    import gmpy2  # noqa: PLC0415 - as in `_library`, and without badkeys it may be missing

    return bool(gmpy2.is_prime(number))


@cache
def _library() -> Any:  # noqa: ANN401 - as above
    """Return the library; None if it, or something that it needs, is not installed."""
    try:
        import badkeys  # noqa: PLC0415 - takes 20 ms, and most pytest runs do not audit
    except ImportError:
        return None
    return badkeys
