"""Finds the configuration, the directory of reports and the program on this server."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Final

from audit.config import BadConfiguration, Configuration, section, state_folder
from audit.config.ownership import require_unchanged_by_others
from audit.config.private_files import own_directory
from remediate.model.options import chosen_issuer
from remediate.notify.channels import read_mail

PLACES: Final = (Path("/etc/sslaudit/sslaudit.toml"), Path("/etc/sslaudit.toml"))
"""The paths of the configuration file; the first that exists is used."""
REPORT_FOLDER: Final = Path("/var/log/sslaudit")
PANEL_PROGRAM: Final = Path("/usr/local/cpanel/bin/checkallsslcerts")
_PANEL: Final = "cpanel"  # the name of the issuer that runs the panel's program, and its kind


def find_configuration(named: str | None) -> Path | None:
    """Return the configuration file, None if there is none; raises BadConfiguration if another user can change it.

    Root runs the commands in it: those of `[[service]]`.
    """
    file = Path(named).expanduser().absolute() if named else next((place for place in PLACES if place.exists()), None)
    if file is None:
        return None
    require_unchanged_by_others(file, f"configuration {file}")
    try:
        file.stat()
    except OSError as error:
        raise BadConfiguration(f"configuration {file}: {error.strerror}") from error
    return file


def with_defaults(configuration: Configuration, folder: Path, program: Path = PANEL_PROGRAM) -> Configuration:
    """Return a configuration with defaults: notify the contact of the host, and let the program of the panel issue.

    The results are written to the directory of the reports. If `program`, that of the panel, does not exist and no
    issuer is configured, nothing can be ordered.
    """
    filled = {**configuration.handed_on}
    if read_mail(section(configuration, "mail")) is None:
        filled["mail"] = {"smtp": "sendmail"}
    is_chosen = filled.get("issuer") or chosen_issuer(configuration, None)
    if not is_chosen and os.access(program, os.X_OK):
        filled["issuer"] = {_PANEL: {"kind": _PANEL}}
        filled["remediate"] = {**filled.get("remediate", {}), "issuer": _PANEL}
    results = configuration.results or str(folder / "results.jsonl")
    return replace(configuration, handed_on=filled, results=results)


def report_folder() -> Path:
    """Return the directory of the reports of the last run (0700), made if it does not exist; raises OSError.

    systemd names it in LOGS_DIRECTORY. For a user other than root it is in the state directory.
    """
    named = os.environ.get("LOGS_DIRECTORY", "").partition(":")[0]
    folder = Path(named) if named else REPORT_FOLDER if os.geteuid() == 0 else state_folder() / "reports"
    own = own_directory(folder)
    own.chmod(0o700)
    return own


def own_command(name: str) -> tuple[str, ...]:
    """Return the program beside the interpreter, by its full path, or `python -P -m` and the module of that name."""
    program = Path(sys.executable).parent / name
    if os.access(program, os.X_OK):
        return (str(program),)
    return (sys.executable, "-P", "-m", f"pytest_sslaudit.cli.{name}")
