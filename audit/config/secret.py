"""Reads the secrets that the configuration names: environment variables, or files that no other user can read.

A secret is read when it is needed, and no message contains it.
"""

from __future__ import annotations

import os
import re
import stat
from contextlib import suppress
from pathlib import Path
from typing import Final

from audit.config.ownership import require_unchanged_by_others
from audit.config.schema import REFERENCE, BadConfiguration, Configuration, Secret, secrets_in
from audit.redaction import Secrets, url_password

_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LONGEST: Final = 65_536  # bytes; a token is some hundreds


def read_secret(configuration: Configuration, key: str, secret: Secret) -> str:
    """Return a secret; raises BadConfiguration if it is missing or others can read it.

    `key` is its place in the configuration.
    """
    place = f"{configuration.file or 'configuration'}: {key}"
    if (secret.env is None) == (secret.file is None):
        raise BadConfiguration(f"{place}: {REFERENCE}, one of both")
    if secret.env is not None:
        if not _VARIABLE.fullmatch(secret.env):
            raise BadConfiguration(f"{place}: env is not the name of an environment variable, such as STORE_TOKEN")
        content = os.environ.get(secret.env, "")
        source = f"the environment variable {secret.env}"
    else:
        file = configuration.path(str(secret.file))
        content, source = _text(file, place), str(file)
    text = content.strip("\r\n")
    if not text or not text.isprintable():
        raise BadConfiguration(f"{place}: {source} {'holds more than one line' if text else 'is empty or not there'}")
    return text


def read_private(file: Path, place: str) -> bytes:
    """Return the content of a file that belongs to us or root and that no other user can read or replace.

    Raises BadConfiguration that begins with the place.
    """
    try:
        with os.fdopen(os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as stream:
            _require_private(file, os.fstat(stream.fileno()), place)
            return stream.read(_LONGEST)
    except OSError as error:
        raise BadConfiguration(f"{place}: {file}: {error.strerror}") from error


def _text(file: Path, place: str) -> str:
    try:
        return read_private(file, place).decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadConfiguration(f"{place}: {file} holds no text") from error


def _require_private(file: Path, status: os.stat_result, place: str) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise BadConfiguration(f"{place}: {file} is not a regular file")
    if status.st_mode & 0o077 or status.st_uid not in (0, os.geteuid()):
        mode = stat.S_IMODE(status.st_mode)
        raise BadConfiguration(f"{place}: others can read or change {file} (mode {mode:04o}): chmod 600 {file}")
    require_unchanged_by_others(file, place)


def require_private_secrets(configuration: Configuration) -> None:
    """Raise BadConfiguration if others can read or change the file of a secret.

    Whether the file exists matters only when the secret is read.
    """
    for key, secret in secrets_in(configuration.handed_on):
        file = configuration.path(secret.file) if secret.file else None
        with suppress(OSError):
            if file is not None:
                _require_private(file, file.stat(), f"{configuration.file}: {key}")


def known_secrets(configuration: Configuration) -> Secrets:
    """Return every secret that the configuration points to, and the password of the proxy, to be hidden in output.

    A secret that cannot be read cannot be in any output.
    """
    secrets = list[str]()
    for key, secret in secrets_in(configuration.handed_on):
        with suppress(BadConfiguration):
            secrets.append(read_secret(configuration, key, secret))
    return Secrets((*secrets, *url_password(configuration.fetch.proxy)))
