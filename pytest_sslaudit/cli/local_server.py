"""Where this server keeps its configuration, reports and program."""

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
"""Where the configuration is looked for; the first that is there holds."""
REPORTS: Final = Path("/var/log/sslaudit")
PANEL_PROGRAM: Final = Path("/usr/local/cpanel/bin/checkallsslcerts")
_PANEL: Final = "cpanel"  # the name of the issuer that runs the panel's program, and its kind


def find_configuration(named: str | None) -> Path | None:
    """Return the configuration file, None if there is none; raises BadConfiguration if another user can change it.

    It can have root run commands: `[[service]]` names them.
    """
    file = Path(named).expanduser().absolute() if named else next((one for one in PLACES if one.exists()), None)
    if file is None:
        return None
    require_unchanged_by_others(file, f"configuration {file}")
    try:
        file.stat()
    except OSError as error:
        raise BadConfiguration(f"configuration {file}: {error.strerror}") from error
    return file


def with_defaults(configuration: Configuration, folder: Path, program: Path = PANEL_PROGRAM) -> Configuration:
    """Return a configuration in which the host's contact is told and the panel's own program issues, unless said.

    The results are kept in the folder of the reports. `program` is the panel's; where there is none and no issuer is
    configured, nothing can be ordered.
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
    """Return the folder of the reports of the last run (0700), made where it is not there; raises OSError.

    Where systemd starts us it names one (LOGS_DIRECTORY); who is not root has it beside the state.
    """
    named = os.environ.get("LOGS_DIRECTORY", "").partition(":")[0]
    folder = Path(named) if named else REPORTS if os.geteuid() == 0 else state_folder() / "reports"
    own = own_directory(folder)
    own.chmod(0o700)
    return own


def own_command(name: str) -> tuple[str, ...]:
    """Return the program beside the interpreter, by its full path, or `python -P -m` and the module of that name."""
    program = Path(sys.executable).parent / name
    if os.access(program, os.X_OK):
        return (str(program),)
    return (sys.executable, "-P", "-m", f"pytest_sslaudit.cli.{name}")
