"""cPanel & WHM: the panel's own services, the files of their certificates, and the services that are switched off.

Files, ports and touch files are those of the public documentation. Mail, FTP and web servers are read from their own
configuration, as on every host.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from audit.observation import InstalledFile
from audit.observation.website import Docroot, Website
from audit.services.model import ConfigDump, Listener, Panel, PanelService, pair

_SECONDS: Final = re.compile(r"[0-9]{1,11}")
OWN_PORTS: Final = (2083, 2087, 2096, 2078, 2080)  # cPanel, WHM, webmail, web disk, calendars
OWN: Final = "/var/cpanel/ssl/cpanel/cpanel.pem"
INSTALLED: Final = "/var/cpanel/ssl/cpanel/mycpanel.pem"
_FOLDER: Final = "/var/cpanel/ssl/"
_MAIN_PORTS: Final = OWN_PORTS[:3]  # of the daemon of cPanel, WHM and webmail
_WORDS: Final = {"cpanel": "cpanel", "dovecot": "dovecot", "exim": "exim", "pure-ftpd": "ftp", "proftpd": "ftp"}
_LINK_PATHS: Final = {
    "/etc/exim.crt": "exim", "/etc/dovecot/ssl/dovecot.crt": "dovecot", "/etc/ssl/private/pure-ftpd.pem": "ftp",
}  # fmt: skip
_WEB_ROOTS: Final = {
    "/etc/apache2/conf/httpd.conf": "/var/www/html",  # EasyApache 4
    "/usr/local/apache/conf/httpd.conf": "/usr/local/apache/htdocs",  # EasyApache 3
}
_SWITCHES: Final = {
    "exim": {"smtp": "/etc/eximdisable", "smtps": "/etc/eximdisable"},
    "dovecot": {"imap": "/etc/imapdisable", "imaps": "/etc/imapdisable",
                "pop3": "/etc/popdisable", "pop3s": "/etc/popdisable"},
    "ftp": {"ftp": "/etc/ftpddisable", "ftps": "/etc/ftpddisable"},
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Expected:
    """A service that runs unless it is switched off: its ports, and its files in the panel's directory."""

    service: str
    ports: tuple[tuple[str, int], ...]
    certificate: str
    key: str


_EXPECTED: Final = (
    _Expected("dovecot", (("imaps", 993), ("imap", 143), ("pop3s", 995), ("pop3", 110)),
              f"{_FOLDER}dovecot/dovecot.crt", f"{_FOLDER}dovecot/dovecot.key"),
    _Expected("exim", (("smtps", 465), ("smtp", 25), ("smtp", 587)),
              f"{_FOLDER}exim/exim.crt", f"{_FOLDER}exim/exim.key"),
    _Expected("pure-ftpd", (("ftp", 21),), f"{_FOLDER}ftp/pure-ftpd.pem", f"{_FOLDER}ftp/pure-ftpd.pem"),
)  # fmt: skip


def _replacement(path: str) -> str:
    """Return the path of the file that replaces a file of the panel, if the user installs one."""
    folder, _, name = path.rpartition("/")
    return f"{folder}/my{name}"


_CHECKED_PATHS: Final = tuple(dict.fromkeys((
    *(file for switches in _SWITCHES.values() for file in switches.values()), OWN, INSTALLED,
    *(_replacement(path) for service in _EXPECTED for path in (service.certificate, service.key)),
    *_WEB_ROOTS, *_WEB_ROOTS.values(),
)))  # fmt: skip
_VALUES: Final = {
    "looked_for": _CHECKED_PATHS, "own": (OWN,), "in_its_place": (INSTALLED,), "own_ports": tuple(map(str, OWN_PORTS)),
}  # fmt: skip


def kept(dump: ConfigDump, service: PanelService) -> tuple[Listener, ...]:
    """Return the listeners of a service, except those of the panel and those that are switched off and not running."""
    existing, open_ports = _existing_files(dump), {port for _, port in dump.ports}
    return tuple(
        listener
        for listener in service.listeners
        if not (
            _is_off(existing, service.service, listener.scheme)
            and not (service.is_running and listener.port in open_ports)
        )
        and not _is_own(listener)
    )


def _is_own(listener: Listener) -> bool:
    is_own_file = all(file.path in (OWN, INSTALLED) for file in listener.files)
    return listener.port in OWN_PORTS and bool(listener.files) and is_own_file


def services(dump: ConfigDump, known: Sequence[PanelService]) -> tuple[PanelService, ...]:
    """Return the panel's own service, and the services for mail and FTP that should run and were not found."""
    used_ports = {listener.port for service in known for listener in service.listeners}
    words = {_WORDS.get(service.service) for service in known}
    missing = [expected for expected in _EXPECTED if _WORDS[expected.service] not in words]
    added = [*_own_services(dump, used_ports), *(_expected_service(dump, expected, used_ports) for expected in missing)]
    return tuple(service for service in added if service.listeners)


def _own_services(dump: ConfigDump, used_ports: Collection[int]) -> Iterator[PanelService]:
    """Yield the panel's own service at its open ports; the name of the process does not matter.

    If none of its main ports is open, it does not run.
    """
    path = own_file(_existing_files(dump), dump.text("served"))
    bound: dict[int, tuple[str, ...]] = {}
    for address, port in dump.ports:
        if port in OWN_PORTS and port not in used_ports:
            bound[port] = tuple(dict.fromkeys((*bound.get(port, ()), address)))
    running = (Listener("https", port, bound[port], files=pair(path, path)) for port in OWN_PORTS if port in bound)
    yield PanelService("cpanel", tuple(running), is_running=True)
    if bound.keys().isdisjoint(_MAIN_PORTS):
        main = (Listener("https", port, files=pair(path, path)) for port in _MAIN_PORTS if port not in used_ports)
        yield PanelService("cpanel", tuple(main), is_running=False)


def own_file(existing: Collection[str], served: str) -> str:
    """Return the file that the panel's own services are configured with.

    An installed file replaces the panel's file, unless a daemon that started after the installation still serves the
    panel's certificate. A daemon that started before the installation needs a restart, which another check reports.
    """
    if INSTALLED not in existing:
        return OWN
    if OWN not in existing:
        return INSTALLED
    lines = {line.partition(" ")[0]: line.split()[1:] for line in served.splitlines()}
    (own, _), (installed, installed_at) = (_leaf_and_time(lines, path) for path in (OWN, INSTALLED))
    serves_own = lines.get("served") == [own] and own != installed
    starts = [int(second) for second in re.findall(r"^began ([0-9]{1,11})$", served, re.MULTILINE)]
    return OWN if serves_own and starts and installed_at is not None and min(starts) > installed_at else INSTALLED


def _leaf_and_time(lines: Mapping[str, list[str]], path: str) -> tuple[str, int | None]:
    leaf, time = [*lines.get(path, ()), "", ""][:2]
    return leaf, int(time) if _SECONDS.fullmatch(time) else None


def _expected_service(dump: ConfigDump, expected: _Expected, used_ports: Collection[int]) -> PanelService:
    """Return a service at its ports, except the ports of other services and the protocols that are switched off."""
    existing, open_ports = _existing_files(dump), {port for _, port in dump.ports}
    certificate, key = (
        _replacement(path) if _replacement(path) in existing else path for path in (expected.certificate, expected.key)
    )
    listeners = tuple(
        Listener(scheme, port, files=pair(certificate, key))
        for scheme, port in expected.ports
        if port not in used_ports and not _is_off(existing, expected.service, scheme)
    )
    return PanelService(expected.service, listeners, any(listener.port in open_ports for listener in listeners))


def _is_off(existing: Collection[str], service: str, scheme: str) -> bool:
    return _SWITCHES.get(_WORDS.get(service, ""), {}).get(scheme) in existing


def _existing_files(dump: ConfigDump) -> frozenset[str]:
    return frozenset(dump.text("there").splitlines())


def websites(dump: ConfigDump, name: str, sites: Sequence[Website]) -> tuple[Website, ...]:
    """Return the website of the host's own name, if no web server was found at port 80."""
    existing = _existing_files(dump)
    if any(site.port == 80 for site in sites) or not any(port == 80 for _, port in dump.ports):
        return ()
    folder = next((folder for file, folder in _WEB_ROOTS.items() if file in existing), None)
    folder = folder or next((folder for folder in _WEB_ROOTS.values() if folder in existing), None)
    return (Website("apache", "declared", 80, names=(name,), docroot=Docroot(folder)),) if folder else ()


def word(service: str, files: Iterable[InstalledFile]) -> str | None:
    """Return WHM's name for a service if its certificate has the path that WHM installs to."""
    whm_name, certificates = _WORDS.get(service), [file for file in files if file.kind == "certificate"]
    if not whm_name or not certificates:
        return None
    return whm_name if all(_is_at_whm_path(whm_name, file) for file in certificates) else None


def _is_at_whm_path(whm_name: str, file: InstalledFile) -> bool:
    folder, _, _ = (file.real_path or file.path).rpartition("/")
    return folder == _FOLDER + whm_name or (file.fault == "missing" and _LINK_PATHS.get(file.path) == whm_name)


LAYOUT: Final = Panel("cpanel", "/usr/local/cpanel/version", _VALUES, kept, services, websites, word)
