"""The files of the services of a cPanel & WHM server that use a certificate of the panel itself.

The panel makes a self-signed certificate at the default path. A certificate that it installs later is beside it, in a
file whose name begins with `my`, and the service then reads that file. Nothing here reads a file.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Final

from audit.observation import FileKind, InstalledFile
from remediate.model.audit_results import ObservedEndpoint

_FOLDER: Final = "/var/cpanel/ssl"
_FILE: Final = re.compile(r"(?P<folder>/var/cpanel/ssl/(?:cpanel|dovecot|exim|ftp)/)(?P<my>my)?(?P<name>[^/]+)")
_AT_END: Final = re.compile(rf"{_FILE.pattern}\Z")
_DEFAULTS: Final[Mapping[str, tuple[str, str]]] = {
    "cpanel": ("cpanel/cpanel.pem", "cpanel/cpanel.pem"),
    "dovecot": ("dovecot/dovecot.crt", "dovecot/dovecot.key"),
    "exim": ("exim/exim.crt", "exim/exim.key"),
    "pure-ftpd": ("ftp/pure-ftpd.pem", "ftp/pure-ftpd.pem"),
    "proftpd": ("ftp/ftpd-rsa.pem", "ftp/ftpd-rsa-key.pem"),
}
"""Certificate and key of a service, in the panel's directory."""
_KINDS: Final[tuple[FileKind, FileKind]] = ("certificate", "key")


def is_of_panel(seen: ObservedEndpoint) -> bool:
    """Return whether an endpoint uses one of the panel's service certificates, or will when the panel installs one.

    A web server may use this file for the host's name. A link from the panel's directory to a file of another agent
    counts as that agent's file.
    """
    return seen.panel_service is not None or any(is_panel_file(file.real_path or file.path) for file in seen.files)


def is_panel_file(path: str, root: str = "") -> bool:
    """Return whether a real path is a certificate file of the panel's services; files of its accounts are not.

    `root` stands before all paths of the panel.
    """
    return path.startswith(root) and _FILE.fullmatch(path.removeprefix(root)) is not None


def default_path(path: str, root: str = "") -> str:
    """Return the default path of a panel's file, whether the panel installed it or made it; any other path as it is."""
    match = _FILE.fullmatch(path.removeprefix(root)) if is_panel_file(path, root) else None
    return f"{root}{match['folder']}{match['name']}" if match else path


def default_files(service: str, root: str = "") -> tuple[InstalledFile, ...]:
    """Return the certificate and key files of a service of the panel; none of another service."""
    paths = _DEFAULTS.get(service, ())
    return tuple(InstalledFile(f"{root}{_FOLDER}/{path}", kind) for path, kind in zip(paths, _KINDS, strict=False))


def installed_path(path: str) -> str | None:
    """Return the path of the file that the panel installs and its service reads in place of a default one."""
    match = _AT_END.search(path)
    return f"{path[: match.start('name')]}my{match['name']}" if match and not match["my"] else None


def panel_case_id(host: str, *, is_held: bool) -> str:
    """Return the id of the case of a panel's service certificates, whichever of them are replaced by then.

    The services had different keys, so no old key identifies the case. `is_held` is the case of those services that
    wait while the others are repaired.
    """
    text = f"{host}\nservice certificates of the panel{', held' if is_held else ''}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]
