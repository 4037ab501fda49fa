"""cPanel & WHM: the panel's own services, the files of their certificates, and the services that are switched off.

Files, ports and touch files are those of the public documentation. Mail, FTP and web servers are found by their own
configuration, as on any host.
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
_USUAL_PORTS: Final = OWN_PORTS[:3]  # cPanel, WHM and webmail are one daemon: where it has to be found
_WORDS: Final = {"cpanel": "cpanel", "dovecot": "dovecot", "exim": "exim", "pure-ftpd": "ftp", "proftpd": "ftp"}
_LINKS: Final = {
    "/etc/exim.crt": "exim", "/etc/dovecot/ssl/dovecot.crt": "dovecot", "/etc/ssl/private/pure-ftpd.pem": "ftp",
}  # fmt: skip
_WEB: Final = {
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
    """A service that runs unless it is switched off: its ports, and its files in the panel's folder."""

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


def _in_its_place(path: str) -> str:
    """Return the path of what was installed in place of a file that the panel made."""
    folder, _, name = path.rpartition("/")
    return f"{folder}/my{name}"


_LOOKED_FOR: Final = tuple(dict.fromkeys((
    *(file for switches in _SWITCHES.values() for file in switches.values()), OWN, INSTALLED,
    *(_in_its_place(path) for one in _EXPECTED for path in (one.certificate, one.key)), *_WEB, *_WEB.values(),
)))  # fmt: skip
_VALUES: Final = {
    "looked_for": _LOOKED_FOR, "own": (OWN,), "in_its_place": (INSTALLED,), "own_ports": tuple(map(str, OWN_PORTS)),
}  # fmt: skip


def kept(dump: ConfigDump, found: PanelService) -> tuple[Listener, ...]:
    """Return the listeners of a service without what is switched off and silent, and without the panel's own."""
    there, listened = _there(dump), {port for _, port in dump.ports}
    return tuple(
        one
        for one in found.listeners
        if not (_is_off(there, found.service, one.scheme) and not (found.is_running and one.port in listened))
        and not (one.port in OWN_PORTS and one.files and all(file.path in (OWN, INSTALLED) for file in one.files))
    )


def services(dump: ConfigDump, found: Sequence[PanelService]) -> tuple[PanelService, ...]:
    """Return the panel's own service, and of mail and FTP what should run and was not found."""
    taken = {listener.port for one in found for listener in one.listeners}
    names = {_WORDS.get(one.service) for one in found}
    missing = [one for one in _EXPECTED if _WORDS[one.service] not in names]
    laid = [*_own(dump, taken), *(_expected(dump, one, taken) for one in missing)]
    return tuple(one for one in laid if one.listeners)


def _own(dump: ConfigDump, taken: Collection[int]) -> Iterator[PanelService]:
    """Yield the panel's own service at the ports that something listens on, whatever its process is called.

    If it listens on none of its usual ports, it does not run.
    """
    path = own_file(_there(dump), dump.text("served"))
    bound: dict[int, tuple[str, ...]] = {}
    for address, port in dump.ports:
        if port in OWN_PORTS and port not in taken:
            bound[port] = tuple(dict.fromkeys((*bound.get(port, ()), address)))
    running = (Listener("https", port, bound[port], files=pair(path, path)) for port in OWN_PORTS if port in bound)
    yield PanelService("cpanel", tuple(running), is_running=True)
    if bound.keys().isdisjoint(_USUAL_PORTS):
        usual = (Listener("https", port, files=pair(path, path)) for port in _USUAL_PORTS if port not in taken)
        yield PanelService("cpanel", tuple(usual), is_running=False)


def own_file(there: Collection[str], served: str) -> str:
    """Return the file that the panel's own services are configured with.

    One that was installed takes the place of the panel's. Only a daemon that began after it was there, and still has
    the panel's, says that it does not; one that began before is to be restarted, and that is another's finding.
    """
    if INSTALLED not in there:
        return OWN
    if OWN not in there:
        return INSTALLED
    lines = {line.partition(" ")[0]: line.split()[1:] for line in served.splitlines()}
    (own, _), (installed, since) = (_leaf_and_time(lines, path) for path in (OWN, INSTALLED))
    has_other = lines.get("served") == [own] and own != installed
    began = [int(second) for second in re.findall(r"^began ([0-9]{1,11})$", served, re.MULTILINE)]
    return OWN if has_other and began and since is not None and min(began) > since else INSTALLED


def _leaf_and_time(lines: Mapping[str, list[str]], path: str) -> tuple[str, int | None]:
    leaf, time = [*lines.get(path, ()), "", ""][:2]
    return leaf, int(time) if _SECONDS.fullmatch(time) else None


def _expected(dump: ConfigDump, expected: _Expected, taken: Collection[int]) -> PanelService:
    """Return a service at its usual ports, but for those of another service and what is switched off."""
    there, listened = _there(dump), {port for _, port in dump.ports}
    certificate, key = (
        _in_its_place(path) if _in_its_place(path) in there else path for path in (expected.certificate, expected.key)
    )
    listeners = tuple(
        Listener(scheme, port, files=pair(certificate, key))
        for scheme, port in expected.ports
        if port not in taken and not _is_off(there, expected.service, scheme)
    )
    return PanelService(expected.service, listeners, any(one.port in listened for one in listeners))


def _is_off(there: Collection[str], service: str, scheme: str) -> bool:
    return _SWITCHES.get(_WORDS.get(service, ""), {}).get(scheme) in there


def _there(dump: ConfigDump) -> frozenset[str]:
    return frozenset(dump.text("there").splitlines())


def websites(dump: ConfigDump, name: str, found: Sequence[Website]) -> tuple[Website, ...]:
    """Return the folder that the host's own name is served from, where no web server that was found says so."""
    there = _there(dump)
    if any(site.port == 80 for site in found) or not any(port == 80 for _, port in dump.ports):
        return ()
    folder = next((folder for file, folder in _WEB.items() if file in there), None)
    folder = folder or next((folder for folder in _WEB.values() if folder in there), None)
    return (Website("apache", "declared", 80, names=(name,), docroot=Docroot(folder)),) if folder else ()


def word(service: str, files: Iterable[InstalledFile]) -> str | None:
    """Return WHM's word for a service whose certificate lies where WHM installs it, or would."""
    known, named = _WORDS.get(service), [file for file in files if file.kind == "certificate"]
    return known if known and named and all(_is_kept(known, file) for file in named) else None


def _is_kept(known: str, file: InstalledFile) -> bool:
    folder, _, _ = (file.real_path or file.path).rpartition("/")
    return folder == _FOLDER + known or (file.fault == "missing" and _LINKS.get(file.path) == known)


LAYOUT: Final = Panel("cpanel", "/usr/local/cpanel/version", _VALUES, kept, services, websites, word)
