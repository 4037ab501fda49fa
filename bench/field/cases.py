"""Reads cases: a directory for each, with the files of a configuration under their own names and `expected.json`."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from bench.field.configuration import Configuration

_NOTES: Final = {"expected.json", "doveconf-n.txt", "command.txt"}
_FOLDERS: Final = {
    "nginx": "/etc/nginx",
    "apache": "/etc/apache2",
    "haproxy": "/etc/haproxy",
    "dovecot": "/etc/dovecot",
    "exim": "/etc/exim4",
    "pure-ftpd": "/etc/pure-ftpd",
    "postfix": "/etc/postfix",
    "vsftpd": "/etc",
    "proftpd": "/etc/proftpd",
}
_CLEARS: Final = {
    "nginx": ("/etc/nginx/sites-enabled/*", "/etc/nginx/conf.d/*"),
    "apache": ("/etc/apache2/sites-enabled/*",),
    "dovecot": ("/etc/dovecot/conf.d/*",),
}
_USERS_23: Final = b"passdb {\n  driver = static\n  args = nopassword=y\n}\n"
_USERS_24: Final = b"passdb static {\n  password = x\n}\n"
_EXIM: Final = b"""\
primary_hostname = host.example.net
daemon_smtp_ports = 25 : 465
tls_on_connect_ports = 465
tls_advertise_hosts = *
keep_environment =
never_users = root
"""


def read_cases(folder: Path) -> Iterator[Configuration]:
    """Yield the configuration of each case in a folder."""
    for directory in sorted(path.parent for path in folder.glob("*/expected.json")):
        yield _case(directory)


def _case(directory: Path) -> Configuration:
    daemon = _daemon_of(directory.name)
    clears = _CLEARS.get(daemon, ())
    return Configuration(
        f"case {directory.name}",
        daemon,
        _files(directory, daemon),
        clears=clears,
        start=_start(directory / "command.txt"),
        overlay="debian13" if "dovecot24" in directory.name else None,
        expected=json.loads((directory / "expected.json").read_text()),
    )


def _daemon_of(name: str) -> str:
    word = name.partition("-")[0].rstrip("0123456789")
    return {"pureftpd": "pure-ftpd"}.get(word, word)


def _files(directory: Path, daemon: str) -> Mapping[str, bytes]:
    paths = [path for path in sorted(directory.rglob("*")) if path.is_file() and path.name not in _NOTES]
    files = {_place(path.relative_to(directory), daemon): path.read_bytes() for path in paths}
    return {path: _completed(daemon, content) for path, content in files.items()}


def _completed(daemon: str, content: bytes) -> bytes:
    """Return a file with what a case leaves out, because discovery does not need it, and the daemon does."""
    if daemon == "dovecot" and b"passdb" not in content:
        return content + (_USERS_24 if b"dovecot_config_version" in content else _USERS_23)
    if daemon == "exim" and b"begin acl" not in content:
        key = content.replace(b"tls_certificate", b"tls_privatekey").replace(b".crt", b".key")
        return _EXIM + content + (key if b"tls_privatekey =" not in content else b"")
    return content


def _place(path: Path, daemon: str) -> str:
    is_site = str(path) == "site.conf" and daemon in ("nginx", "apache")
    return f"{_FOLDERS[daemon]}/{'sites-enabled/' if is_site else ''}{path}"


def _start(command: Path) -> str | None:
    if not command.is_file():
        return None
    words = shlex.split(command.read_text(), comments=True)
    return f"setsid {shlex.join(words)} </dev/null >/dev/null 2>&1 &"
