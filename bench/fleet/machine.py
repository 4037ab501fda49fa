"""Describes the machine and the versions of a measurement, without its name."""

from __future__ import annotations

import os
import platform
import ssl
from importlib.metadata import version
from pathlib import Path


def described() -> str:
    """Return cores, processor, memory and versions in a line."""
    memory_gb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    versions = ", ".join(f"{name} {version(name)}" for name in ("pytest", "cryptography", "pyOpenSSL"))
    return (
        f"{len(os.sched_getaffinity(0))} cores ({_processor()}), {memory_gb:.0f} GB, "
        f"Python {platform.python_version()}, {ssl.OPENSSL_VERSION.partition('  ')[0]}, {versions}"
    )


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())
