"""Reads which Dask cluster `--audit-workers` names: a scheduler with TLS, one on this machine, or a cluster of its own.

A member of a Dask cluster can run code on the others. So a scheduler without TLS is accepted on loopback only.
"""

from __future__ import annotations

import importlib.util
import os
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from urllib.parse import urlsplit

from audit.config import BadConfiguration, Configuration
from audit.endpoint import is_loopback_host
from audit.redaction import url_password, without_password
from audit.text import one_line
from pytest_sslaudit.fleet.tls_files import TlsFiles, read_tls_files

LOCAL: Final = "dask"
"""The word for a cluster that the run starts on this machine and ends with it."""
DEFAULT_PORT: Final = 8786
_FLAG: Final = "--audit-workers"
_FORMS: Final = "write tls://HOST:8786, tcp://127.0.0.1:8786, or dask"


@dataclass(frozen=True, slots=True)
class DaskCluster:
    """A cluster to audit with: the URL of its scheduler, and the files of `[fleet]` if it uses TLS.

    Without a URL the run starts workers itself, so many as `processes`. `wait_s` is how long it waits while there is
    no worker at all.
    """

    url: str | None
    tls: TlsFiles | None
    wait_s: float
    processes: int = field(default_factory=lambda: len(os.sched_getaffinity(0)))

    def __str__(self) -> str:
        """Return how messages name it."""
        return f"the Dask scheduler {self.url}" if self.url else "the Dask workers of this run"


def names_cluster(workers: str) -> bool:
    """Return whether a value of --audit-workers names a Dask cluster, and not processes of this machine."""
    return workers == LOCAL or "://" in workers


def read_cluster(workers: str, configuration: Configuration, now: datetime) -> DaskCluster:
    """Return the cluster that a value of --audit-workers names; raises BadConfiguration."""
    url = None if workers == LOCAL else _url(workers)
    if importlib.util.find_spec("distributed") is None:
        raise BadConfiguration(
            f"{_FLAG} {workers}: Dask is not installed; install it with: pip install 'pytest-sslaudit[fleet]'"
        )
    wait_s = configuration.fleet.wait_s
    if not 0 < wait_s < float("inf"):
        raise BadConfiguration(f"{configuration.file}: [fleet] wait_s {wait_s!r}: it must be a number above 0")
    if url and url_password(configuration.fetch.proxy):
        raise BadConfiguration(
            f"{configuration.file}: [fetch] proxy has a password, which is not sent to other machines: name a proxy "
            f"without one, or leave out {_FLAG}"
        )
    tls = read_tls_files(configuration, now) if url and url.startswith("tls:") else None
    return DaskCluster(url, tls, wait_s)


def _url(text: str) -> str:
    """Return the URL of a scheduler with its port; raises BadConfiguration."""
    shown = one_line(without_password(text))
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, DEFAULT_PORT if parts.port is None else parts.port
    except ValueError as error:
        raise BadConfiguration(f"{_FLAG} {shown!r}: {error}; {_FORMS}") from error
    is_bare = parts.path in ("", "/") and not (parts.query or parts.fragment or "@" in parts.netloc)
    if parts.scheme not in ("tls", "tcp") or not host or not port or not is_bare:
        raise BadConfiguration(f"{_FLAG} {shown!r} is not the URL of a scheduler: {_FORMS}")
    url = f"{parts.scheme}://{f'[{host}]' if ':' in host else host}:{port}"
    if parts.scheme == "tcp" and not is_loopback_host(host):
        raise BadConfiguration(
            f"{_FLAG} {url}: without TLS, everyone who can reach the scheduler can run code on it, on its workers and "
            f"in this run. Start it with TLS and write tls://{url.removeprefix('tcp://')} (docs/fleet.md)"
        )
    return url
