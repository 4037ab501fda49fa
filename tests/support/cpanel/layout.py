"""Where a panel keeps what: the files of its services' certificates, its version, its contact, its nightly update."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from tests.support.checkout import CHECKOUT
from tests.support.hosts.host import HostFile
from tests.support.hosts.pki import Credential

SERVICES: Final = ("cpanel", "dovecot", "exim", "ftp")
PORTS: Final = {
    "cpanel": ((2083, None), (2087, None), (2096, None), (2078, None), (2080, None)),
    "dovecot": ((993, None), (995, None), (143, "imap"), (110, "pop3")),
    "exim": ((465, None), (25, "smtp"), (587, "smtp")),
    "ftp": ((21, "ftp"),),
}
"""The ports of each service, with openssl's word for what is spoken before TLS."""
RESTARTS: Final = {"cpanel": ("cpsrvd", "cpdavd"), "dovecot": ("dovecot",), "exim": ("exim",), "ftp": ("ftpserver",)}
SSL: Final = "/var/cpanel/ssl"
ACCOUNTS: Final = "/etc/wwwacct.conf"
CRONTAB: Final = "/var/spool/cron/crontabs/root"
_DOUBLE: Final = """#!{python}
# A double of what is proprietary; {module} describes it.
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, "{checkout}")
from {module} import main

main(*{arguments})
"""
_ACCOUNTS: Final = """groupadd --system wheel
groupadd --system cpanel
useradd --system --gid cpanel --no-create-home cpanel
useradd --system --gid mail --no-create-home mailnull
"""
_LINKS: Final = {
    "/scripts": "/usr/local/cpanel/scripts",
    "/etc/exim.crt": f"{SSL}/exim/exim.crt",
    "/etc/exim.key": f"{SSL}/exim/exim.key",
    "/etc/dovecot/ssl/dovecot.crt": f"{SSL}/dovecot/dovecot.crt",
    "/etc/dovecot/ssl/dovecot.key": f"{SSL}/dovecot/dovecot.key",
    "/etc/ssl/private/pure-ftpd.pem": f"{SSL}/ftp/pure-ftpd.pem",
}
PREPARE: Final = "".join(
    (
        _ACCOUNTS,
        *(f"mkdir -p {path.rpartition('/')[0] or '/'}; ln -sfn {target} {path}\n" for path, target in _LINKS.items()),
        "install -d -o mailnull -g mail /var/spool/exim\n",
        "touch /var/log/exim_mainlog; chown mailnull:mail /var/log/exim_mainlog\n",
        "install -d -o mailnull -g mail /run/exim4\n",
    )
)
"""What is done on a fresh host before anything of the panel is there."""


@dataclass(frozen=True, slots=True)
class _Owned:
    """Whose the files of a service are."""

    owner: str
    group: str
    mode: int

    def file(self, path: str, content: str) -> HostFile:
        return HostFile(f"{SSL}/{path}", content, self.mode, self.owner, self.group)


def _cpanel(credential: Credential) -> tuple[HostFile, ...]:
    return (_Owned("cpanel", "cpanel", 0o640).file("cpanel/cpanel.pem", credential.key + credential.fullchain),)


def _dovecot(credential: Credential) -> tuple[HostFile, ...]:
    owned = _Owned("root", "wheel", 0o600)
    return (owned.file("dovecot/dovecot.crt", credential.fullchain), owned.file("dovecot/dovecot.key", credential.key))


def _exim(credential: Credential) -> tuple[HostFile, ...]:
    owned = _Owned("mailnull", "mail", 0o640)
    return (owned.file("exim/exim.crt", credential.fullchain), owned.file("exim/exim.key", credential.key))


def _ftp(credential: Credential) -> tuple[HostFile, ...]:
    owned = _Owned("root", "wheel", 0o600)
    return (
        owned.file("ftp/pure-ftpd.pem", credential.key + credential.fullchain),
        owned.file("ftp/ftpd-rsa.pem", credential.fullchain),
        owned.file("ftp/ftpd-rsa-key.pem", credential.key),
    )


CERTIFICATES: Final[dict[str, Callable[[Credential], tuple[HostFile, ...]]]] = {
    "cpanel": _cpanel,
    "dovecot": _dovecot,
    "exim": _exim,
    "ftp": _ftp,
}
"""The files that the panel makes of a certificate, by service."""


def state(contact: str) -> tuple[HostFile, ...]:
    """Return what the panel says of itself, whom it writes to, and when it is updated."""
    return (
        HostFile("/usr/local/cpanel/version", "11.120.0.10\n"),
        HostFile(ACCOUNTS, f"ADDR 198.18.60.3\nCONTACTEMAIL {contact}\nHOMEDIR /home\n"),
        HostFile(CRONTAB, "17 3 * * * /usr/local/cpanel/scripts/upcp --cron\n", 0o600),
    )


def double(path: str, module: str, *arguments: str) -> HostFile:
    """Return a program of the panel's that runs `main` of a module with the words it is given, some in front."""
    words = f"*{arguments!r}, *sys.argv[1:]" if arguments else "*sys.argv[1:]"
    text = _DOUBLE.format(python=sys.executable, module=module, checkout=CHECKOUT, arguments=f"({words},)")
    return HostFile(path, text, 0o755)
