"""Runs sslyze, the peer of an audit from outside, in a virtual environment of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Final

from bench.loopback import Fleet
from bench.processes import Usage, measured, output_of

CHECKOUT: Final = Path(__file__).parents[2]
VENV: Final = CHECKOUT / ".lab/peers"
REQUIREMENTS: Final = CHECKOUT / ".ci/peers.txt"
VERSION: Final = "6.3.1"
_VERSION_OF: Final = "import importlib.metadata; print(importlib.metadata.version('sslyze'))"
_COMPLETED: Final = "COMPLETED"


def installed() -> Path:
    """Return the program, installed with the hashes of .ci/peers.txt; ends the measurement at another version."""
    python = VENV / "bin/python"
    if not (VENV / "bin/sslyze").exists():
        subprocess.run([sys.executable, "-m", "venv", VENV], check=True)
        install = ("-m", "pip", "install", "--quiet", "--require-hashes", "--requirement", REQUIREMENTS)
        subprocess.run([python, *install], check=True)
    found = subprocess.run([python, "-c", _VERSION_OF], check=True, capture_output=True, text=True).stdout.strip()
    if found != VERSION:
        raise SystemExit(f"{VENV} has sslyze {found}, not {VERSION}: remove it and measure again")
    return VENV / "bin/sslyze"


def scanned(fleet: Fleet, endpoints: int) -> Usage:
    """Scan this many endpoints with `sslyze --certinfo`, with the same CA file; require that each was scanned."""
    (fleet.folder / "targets").write_text("\n".join(map(fleet.target, range(endpoints))))
    command = (
        *(str(installed()), "--certinfo", "--certinfo_ca_file=root.pem", "--mozilla_config=disable"),
        *("--targets_in=targets", "--json_out=sslyze.json", "--quiet"),
    )
    usage, status = measured(command, fleet.folder)
    scans = json.loads((fleet.folder / "sslyze.json").read_text())["server_scan_results"]
    ended = [scan["scan_result"]["certificate_info"]["status"] for scan in scans if scan["scan_result"]]
    if status or ended != [_COMPLETED] * endpoints:
        raise SystemExit(f"sslyze exited with {status}; {ended.count(_COMPLETED)} scans\n{output_of(fleet.folder)}")
    return usage
