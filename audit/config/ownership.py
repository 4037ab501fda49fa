"""Checks that no other local user can change the configuration, or a file that it names.

A user who can change a configuration that names hosts, services or secrets decides which commands run on those hosts,
and where secrets are sent. So the file belongs to root or to the user of the run, and so does every directory above it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from audit.config.private_files import UnsafePath, require_own_file
from audit.config.schema import BadConfiguration, Configuration, ExtensionNames, files_in, programs_in, secrets_in

_WITH_KINDS: Final = ("issuer", "solver", "notify")
"""The sections `[KEY.NAME]` whose key `kind` may name code of another distribution."""


def require_unchanged_by_others(file: Path, place: str, names: str = "") -> None:
    """Raise BadConfiguration if another user can change a file.

    `place` is the file with its purpose, or the place that names it; `names` is what it names.
    """
    try:
        require_own_file(file)
    except UnsafePath as error:
        why = f"it names {names}, and others can change it" if names else "others can change it"
        raise BadConfiguration(f"{place}: {why}: {error.strerror}") from None
    except OSError as error:
        raise BadConfiguration(f"{place}: {error.filename or file}: {error.strerror}") from error


def require_own_configuration(configuration: Configuration) -> None:
    """Raise BadConfiguration if another user can gain rights by a change of the configuration or of a file it names."""
    power = next(_powers(configuration), None)
    if power is None or configuration.file is None:
        return
    require_unchanged_by_others(configuration.file, f"configuration {configuration.file}", power)
    for key, name in _files(configuration):
        require_unchanged_by_others(configuration.path(name), f"{configuration.file}: {key}")


def _powers(configuration: Configuration) -> Iterator[str]:
    """Yield the kinds of values in a configuration that give rights on hosts, or on files of the user of the run."""
    if configuration.hosts or configuration.host:
        yield "hosts"
    if configuration.service:
        yield "services"
    if next(secrets_in(configuration.handed_on), None) is not None:
        yield "secrets"
    if configuration.extensions != ExtensionNames() or not configuration.handed_on.keys().isdisjoint(_WITH_KINDS):
        yield "code to run"
    if configuration.results or configuration.reports or configuration.evidence or configuration.state:
        yield "files to write"


def _files(configuration: Configuration) -> Iterator[tuple[str, str]]:
    """Yield the files that decide what is trusted, what passes and what runs, each with its key."""
    yield from (("trust", name) for name in configuration.trust if name not in ("mozilla", "system"))
    yield from (("policy", name) for name in configuration.policy if name.endswith(".toml"))
    yield from files_in(configuration.handed_on)
    yield from programs_in(configuration.handed_on)
    named = {
        "waivers": configuration.waivers,
        "endpoints_file": configuration.endpoints_file,
        "evidence_key": configuration.evidence_key,
        "probe.root_hints": configuration.probe.root_hints,
        "ct.log_list": configuration.ct.log_list,
    }
    yield from ((key, name) for key, name in named.items() if name and name != "-")
