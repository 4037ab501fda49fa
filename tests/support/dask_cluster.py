"""A Dask cluster of real processes on loopback, over TLS with a CA of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID

from pytest_sslaudit.fleet.schedulers import DaskCluster
from pytest_sslaudit.fleet.tls_files import TlsFiles
from tests.support.x509.ca import Leaf, issue, new_root

_STARTED_S = 60.0


@dataclass(frozen=True, slots=True)
class RunningCluster:
    """A scheduler, and what a worker needs to join it. `folder` holds the TLS files, logs and scratch files."""

    folder: Path
    url: str
    scheduler: subprocess.Popen[bytes]

    def named(self, wait_s: float = 60.0) -> DaskCluster:
        """Return the cluster as the configuration names it."""
        return DaskCluster(self.url, tls_files(self.folder), wait_s)

    @contextmanager
    def worker(self, preload: str = "") -> Iterator[subprocess.Popen[bytes]]:
        """Run a worker while the block runs; `preload` is Python that it executes first."""
        with ExitStack() as opened:
            options = ["--no-nanny", "--nthreads", "1", "--local-directory", str(self.folder)]
            if preload:
                file = self.folder / f"preload{abs(hash(preload))}.py"
                file.write_text(preload, encoding="utf-8")
                options += ["--preload", str(file)]
            yield opened.enter_context(_dask(self.folder, "worker", self.url, *options))


def write_tls_files(folder: Path) -> TlsFiles:
    """Write a CA and the certificate of a member of the cluster; return the files."""
    now = datetime.now(UTC)
    usages = (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH)
    root = new_root("Fleet CA", now=now)
    member = issue(Leaf("member", ("127.0.0.1",), now - timedelta(days=1), usages=usages), root)
    files = tls_files(folder)
    files.ca.write_bytes(root.certificate.public_bytes(Encoding.PEM))
    files.certificate.write_bytes(member.certificate.public_bytes(Encoding.PEM))
    files.key.touch(0o600)
    files.key.write_bytes(member.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return files


def tls_files(folder: Path) -> TlsFiles:
    """Return the names of the TLS files in a folder."""
    return TlsFiles(folder / "ca.pem", folder / "member.pem", folder / "member.key")


@contextmanager
def running_cluster(folder: Path) -> Iterator[RunningCluster]:
    """Run a scheduler without workers while the block runs."""
    write_tls_files(folder)
    place = folder / "scheduler.json"
    options = ["--host", "127.0.0.1", "--port", "0", "--protocol", "tls", "--scheduler-file", str(place)]
    with _dask(folder, "scheduler", *options) as scheduler:
        yield RunningCluster(folder, _address_in(place, scheduler), scheduler)


def _address_in(file: Path, process: subprocess.Popen[bytes]) -> str:
    deadline = time.monotonic() + _STARTED_S
    while process.poll() is None and time.monotonic() < deadline:
        if file.exists() and file.stat().st_size:
            address: str = json.loads(file.read_text())["address"]
            return address
        time.sleep(0.05)
    raise AssertionError("the scheduler did not start")


@contextmanager
def _dask(folder: Path, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    files = tls_files(folder)
    tls = ["--tls-ca-file", str(files.ca), "--tls-cert", str(files.certificate), "--tls-key", str(files.key)]
    command = [sys.executable, "-m", "dask", *arguments, "--no-dashboard", *tls]
    environment = os.environ | {"XDG_STATE_HOME": str(folder / "state")}
    with (folder / f"{arguments[0]}.log").open("ab") as log:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
        try:
            yield process
        finally:
            process.kill()
            process.wait()
