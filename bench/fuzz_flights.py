"""Fuzzes the readers of first flights with mutants of flights of TLS 1.0 to 1.3.

    python -m bench.fuzz_flights [MUTANTS [SEED]]

Each mutant is read in pieces of one to 2,000 bytes, and once as the recorded bytes of a handshake. An escape is an
exception other than `MalformedFlight`. Prints the mutants, those that are malformed, the escapes with their bytes, and
the slowest mutant. Exits with status 1 if there was an escape, or if a mutant took more than a second of CPU.
"""

from __future__ import annotations

import random
import sys
import time
import traceback
from typing import Final

from OpenSSL import SSL

from audit.observation.tls_registry import group_name, suite_name, version_name
from audit.probe.tls_probes.framing import MalformedFlight
from audit.probe.tls_probes.offers import Client
from audit.probe.tls_probes.recorded_flight import read_flight
from audit.probe.tls_probes.server_flight import FlightReader
from tests.support.probe.first_flights import alert, dhe, ecdhe, flight_of_openssl, request, whole
from tests.support.probe.tls_servers import both
from tests.support.x509.certificates import leaf, rsa_key
from tests.support.x509.mutants import mutant

MUTANTS: Final = 100_000
SEED: Final = 20261201
SLOWEST_S: Final = 1.0
LONGEST_PIECE: Final = 2000


def models() -> tuple[bytes, ...]:
    """Return the flights that are mutated."""
    client = Client("www.example.test", (b"h2",))
    served = both(leaf("ec.example"), leaf("rsa.example").with_key(rsa_key(2048)), oldest=SSL.TLS1_VERSION)
    served.set_cipher_list(b"ALL:@SECLEVEL=0")
    hellos = (client.before_tls13(), client.before_tls12(), client.with_tls10(), client.with_key_type("RSA"))
    composed = (whole(0x9E, dhe(0x9E), request()), alert(1, 112) + whole(0xC02F, ecdhe(0xC02F)), alert(2, 40))
    return (*(flight_of_openssl(served, hello.encode()) for hello in hellos), *composed)


def read(octets: bytes, chance: random.Random) -> bool:
    """Read a flight in both ways; return whether it is malformed."""
    read_flight(octets, [])
    reader, position, size = FlightReader(), 0, chance.randint(1, LONGEST_PIECE)
    try:
        while not reader.feed(octets[position : position + size]) and position < len(octets):
            position += size
    except MalformedFlight:
        return True
    if hello := reader.flight.hello:
        version_name(hello.version), suite_name(hello.suite), group_name(hello.group or 0)
        _ = hello.alpn, reader.flight.sct_list, reader.flight.key_exchange and reader.flight.key_exchange.prime_bits
    return False


def main(mutants: int, seed: int) -> int:
    """Try this many mutants, print the counts, and return the exit status."""
    chance, originals = random.Random(seed), models()  # noqa: S311 - not a secret
    malformed, escapes, slowest_s, began = 0, list[str](), 0.0, time.process_time()
    for _ in range(mutants):
        tried, before = mutant(chance.choice(originals), chance), time.process_time()
        try:
            malformed += read(tried, chance)
        except Exception:  # noqa: BLE001 - every exception is an escape
            escapes.append(f"{traceback.format_exc()}  {tried.hex()}")
        slowest_s = max(slowest_s, time.process_time() - before)
    cpu_s = time.process_time() - began
    print(f"{mutants} flights, seed {seed}: {malformed} malformed, {len(escapes)} escapes, {cpu_s:.0f} s of CPU")
    print(f"slowest {1000 * slowest_s:.0f} ms", *escapes[:10], sep="\n")
    return int(bool(escapes) or slowest_s > SLOWEST_S)


if __name__ == "__main__":
    arguments = [*map(int, sys.argv[1:]), *(MUTANTS, SEED)[len(sys.argv) - 1 :]]
    sys.exit(main(arguments[0], arguments[1]))
