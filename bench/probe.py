"""Measures the connections per second of the probe, relative to a bare loop of pyOpenSSL handshakes in as many threads.

    python -m bench.probe [ENDPOINTS]

Both run against the same loopback servers (two processes), in turns within one run, so the ratio is comparable between
machines. The time of the servers is part of both; the CPU time of this process alone is printed as well.
"""

from __future__ import annotations

import socket
import ssl
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from OpenSSL import SSL

from audit.endpoint import Endpoint
from audit.observation import Observation
from audit.probe import Limits, Target, observe
from bench.servers import serving

ROUNDS = 3


def main(endpoints: int) -> None:
    """Measure in turns, and print the best of each and their ratio."""
    with serving(_server_context) as listening:
        targets = [_target(number, listening) for number in range(endpoints)]
        runs = [(_measure(lambda: _bare(targets)), _measure(lambda: _probe(targets))) for _ in range(ROUNDS)]
    bare, probe = (max(measured) for measured in zip(*runs, strict=True))
    _print("bare loop", bare)
    _print("probe", probe)
    print(f"ratio      {probe[0] / bare[0]:8.0%}  (at least 60 %)")
    print(f"endpoints  {probe[0] * endpoints / probe[1]:8.0f}/s  {1000 * probe[2] / endpoints:.2f} ms of CPU each")


def _print(name: str, run: tuple[float, int, float]) -> None:
    rate, connections, cpu_s = run
    print(f"{name:10} {rate:8.0f} connections/s  {1000 * cpu_s / connections:.2f} ms of CPU each")


def _measure(work: Callable[[], int]) -> tuple[float, int, float]:
    """Return connections a second, connections, and CPU seconds of this process."""
    began, cpu = time.perf_counter(), time.process_time()
    connections = work()
    return connections / (time.perf_counter() - began), connections, time.process_time() - cpu


def _bare(targets: list[Target]) -> int:
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)

    def complete_handshake(target: Target) -> None:
        with socket.create_connection((target.endpoint.connect_to, target.endpoint.port)) as connected:
            connected.setblocking(True)
            connection = SSL.Connection(context, connected)
            connection.set_tlsext_host_name(target.endpoint.name.encode())
            connection.set_connect_state()
            connection.do_handshake()
            connection.shutdown()

    with ThreadPoolExecutor(Limits().concurrency) as pool:
        return sum(1 for _ in pool.map(complete_handshake, targets))


def _probe(targets: list[Target]) -> int:
    seen: list[Observation] = []
    observe(targets, Limits(), clock=lambda: datetime.now(UTC), report=seen.append)
    if len(seen) != len(targets) or any(observation.failures for observation in seen):
        failures = [observation.failures for observation in seen if observation.failures]
        raise SystemExit(f"{len(seen)} of {len(targets)} observed; {failures[:3]}")
    return sum(observation.connections for observation in seen)


def _target(number: int, listening: list[socket.socket]) -> Target:
    address, port = listening[number % len(listening)].getsockname()
    return Target(Endpoint("https", f"www{number}.example.test", port, address=address))


def _server_context() -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "bench")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now).not_valid_after(now + timedelta(days=1))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    pem = serialization.Encoding.PEM
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bench.pem"
        path.write_bytes(secret + builder.sign(key, hashes.SHA256()).public_bytes(pem))
        context.load_cert_chain(path)
    return context


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
