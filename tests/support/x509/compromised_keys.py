"""RSA keys whose private keys can be computed, each by another method; new for every run."""

from __future__ import annotations

from functools import cache
from typing import Final

import gmpy2
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.support.x509.ca import new_close_key
from tests.support.x509.certificates import rsa_key

_ROCA_TO: Final = 167  # modulo the product of the primes up to it, the primes are powers of 65537
_EXPONENT: Final = 65537


@cache
def close_primes() -> rsa.RSAPrivateKey:
    """Return a key of 2,048 bits whose two primes follow one another."""
    return new_close_key()


@cache
def roca_modulus() -> int:
    """Return a modulus of the structure by which CVE-2017-15361 is recognized."""
    product = int(gmpy2.primorial(_ROCA_TO))

    def prime(near: int, power: int) -> int:
        candidate = near // product * product + pow(_EXPONENT, power, product)
        while not gmpy2.is_prime(candidate):
            candidate += product
        return candidate

    numbers = rsa_key(2048).private_numbers()
    return prime(numbers.p, 1234) * prime(numbers.q, 98765)


@cache
def small_exponent() -> tuple[int, int]:
    """Return modulus and public exponent of a key whose private exponent has 200 bits."""
    numbers = rsa_key(2048).private_numbers()
    phi = (numbers.p - 1) * (numbers.q - 1)
    d = _next_prime(1 << 200)
    return numbers.p * numbers.q, pow(d, -1, phi)


@cache
def with_factor(factor: int) -> int:
    """Return a modulus with that prime factor."""
    return factor * _next_prime(1 << 2040)


def _next_prime(number: int) -> int:
    return int(gmpy2.next_prime(number))
