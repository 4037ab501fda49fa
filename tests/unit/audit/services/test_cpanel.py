"""Tests of cPanel & WHM: its own services, services that are switched off, and the paths of their files."""

from __future__ import annotations

from dataclasses import replace

import pytest

from audit.observation import InstalledFile
from audit.observation.website import Docroot, Website
from audit.services import Listener, PanelService
from audit.services.cpanel import INSTALLED, OWN, kept, own_file, services, websites, word
from audit.services.model import ConfigDump, pair
from audit.services.virtual_hosts import docroot_of
from tests.support.config_dumps import dump, paths

HOST = "server.example.com"
EXIM = PanelService("exim", (Listener("smtp", 25), Listener("smtps", 465), Listener("smtp", 587)), is_running=True)
DOVECOT = PanelService("dovecot", (Listener("imap", 143), Listener("pop3", 110)), is_running=True)
FTP = PanelService("pure-ftpd", (Listener("ftp", 21),), is_running=True)
EVERYTHING = (EXIM, DOVECOT, FTP)
SITE = Website("apache", "first", 80, ("0.0.0.0",), ("www.example.com",), docroot=Docroot("/home/www"))
SWITCHES = "/etc/eximdisable\n/etc/imapdisable\n/etc/popdisable\n/etc/ftpddisable"


def at(*ports: int, **sections: str) -> ConfigDump:
    """Return the dump of a host of the panel on which these ports are open at every address."""
    return dump(tuple(("0.0.0.0", port) for port in ports), **sections)


def fingerprints(*, own: str = "AA", installed: str = "BB", served: str = "AA", began: int = 500) -> str:
    """Return the section about the two files; the installed file was written at 400."""
    return f"{OWN} {own} 100\n{INSTALLED} {installed} 400\nserved {served}\nbegan {began + 90}\nbegan {began}"


def shown(service: PanelService) -> str:
    """Return name, state, sockets and files of a service; all its listeners have the same files and addresses."""
    (files,) = {tuple(path for _, path in paths(listener)) for listener in service.listeners}
    (addresses,) = {listener.addresses for listener in service.listeners}
    sockets = " ".join(f"{listener.scheme}:{listener.port}" for listener in service.listeners)
    state = "runs" if service.is_running else "is down"
    return f"{service.service} {state}: {sockets} at {' '.join(addresses)} with {' '.join(dict.fromkeys(files))}"


HTTPS = Listener("https", 2083, files=pair("/etc/nginx/a.crt", "/etc/nginx/a.key"))
PROXY = PanelService("nginx", (HTTPS,), is_running=True)
FRONT = PanelService("nginx", (Listener("https", 2083, files=pair(OWN, OWN)), Listener("https", 443)), is_running=True)
POSTFIX = PanelService("postfix", (Listener("smtp", 25),), is_running=True)
ONE_ADDRESS = (("192.0.2.1", 2083), ("::1", 2083), ("192.0.2.1", 2083))
MY_EXIM = "/var/cpanel/ssl/exim/myexim.crt\n/var/cpanel/ssl/exim/myexim.key"
RUNS = f"cpanel runs: https:2087 at 0.0.0.0 with {OWN}"
DOWN = f"cpanel is down: https:2083 https:2087 https:2096 at 0.0.0.0 :: with {OWN}"
DOVECOT_FILES = "at 0.0.0.0 :: with /var/cpanel/ssl/dovecot/dovecot.crt /var/cpanel/ssl/dovecot/dovecot.key"
EXIM_FILES = "at 0.0.0.0 :: with /var/cpanel/ssl/exim/{0}exim.crt /var/cpanel/ssl/exim/{0}exim.key"


@pytest.mark.parametrize(
    ("config", "others", "expected"),
    [
        (at(2087, 2083, 2080, 443, there=OWN), EVERYTHING,
         [f"cpanel runs: https:2083 https:2087 https:2080 at 0.0.0.0 with {OWN}"]),
        (at(443), EVERYTHING, [DOWN]),
        (at(2078), EVERYTHING, [f"cpanel runs: https:2078 at 0.0.0.0 with {OWN}", DOWN]),
        (dump(ONE_ADDRESS, there=OWN), EVERYTHING, [f"cpanel runs: https:2083 at 192.0.2.1 ::1 with {OWN}"]),
        (at(2083, 2087), (*EVERYTHING, PROXY), [RUNS]),
        (at(2087, there=SWITCHES), (), [RUNS]),
        (at(2087, there="/etc/popdisable"), (EXIM, FTP),
         [RUNS, f"dovecot is down: imaps:993 imap:143 {DOVECOT_FILES}"]),
        (at(2087, there=MY_EXIM), (), [
            RUNS, f"dovecot is down: imaps:993 imap:143 pop3s:995 pop3:110 {DOVECOT_FILES}",
            f"exim is down: smtps:465 smtp:25 smtp:587 {EXIM_FILES.format('my')}",
            "pure-ftpd is down: ftp:21 at 0.0.0.0 :: with /var/cpanel/ssl/ftp/pure-ftpd.pem",
        ]),
        (at(2087, 25), (DOVECOT, FTP, POSTFIX), [RUNS, f"exim is down: smtps:465 smtp:587 {EXIM_FILES.format('')}"]),
    ],
    ids=["open ports", "stopped", "one daemon stopped", "one address", "another service at its port", "switched off",
         "one protocol switched off", "nothing else runs", "port of another service"],
)  # fmt: skip
def test_services_of_panel_run_or_are_expected_with_ports_and_files(
    config: ConfigDump, others: tuple[PanelService, ...], expected: list[str]
) -> None:
    assert list(map(shown, services(config, others))) == expected


def test_either_ftp_server_is_the_panels() -> None:
    proftpd = PanelService("proftpd", (Listener("ftp", 21),), is_running=True)
    assert list(map(shown, services(at(2087), (EXIM, DOVECOT, proftpd)))) == [RUNS]


@pytest.mark.parametrize(
    ("config", "service", "expected"),
    [
        (at(2083, 2087), PROXY, (HTTPS,)),
        (at(2083, 443), FRONT, FRONT.listeners[1:]),
        *((at(2087, there=SWITCHES), replace(service, is_running=False), ()) for service in EVERYTHING),
        (at(25, 465, 587, there=SWITCHES), EXIM, EXIM.listeners),
        (at(143, there="/etc/popdisable"), DOVECOT, DOVECOT.listeners[:1]),
        (at(there=SWITCHES), replace(POSTFIX, is_running=False), POSTFIX.listeners),
    ],
    ids=["another service at a port of the panel", "server with the panel's file at its port", "exim switched off",
         "dovecot switched off", "pure-ftpd switched off", "running though switched off", "one protocol switched off",
         "switch of another service"],
)  # fmt: skip
def test_listener_is_kept_unless_it_is_the_panels_or_switched_off(
    config: ConfigDump, service: PanelService, expected: tuple[Listener, ...]
) -> None:
    assert kept(config, service) == expected


@pytest.mark.parametrize(
    ("there", "served", "file"),
    [
        ("", "", OWN),
        (OWN, "", OWN),
        (INSTALLED, "", INSTALLED),
        (f"{OWN}\n{INSTALLED}", "", INSTALLED),
        (f"{OWN}\n{INSTALLED}", fingerprints(served="BB"), INSTALLED),
        (f"{OWN}\n{INSTALLED}", fingerprints(), OWN),  # started after the installation, and does not serve it
        (f"{OWN}\n{INSTALLED}", fingerprints(began=300), INSTALLED),  # not restarted: disk-vs-wire reports this
        (f"{OWN}\n{INSTALLED}", fingerprints(own="BB", served="BB"), INSTALLED),
        (f"{OWN}\n{INSTALLED}", fingerprints(served="CC"), INSTALLED),
        (f"{OWN}\n{INSTALLED}", f"{OWN}\nserved\nbegan x\nbegan\n{INSTALLED} B \N{SUPERSCRIPT TWO}", INSTALLED),
    ],
)
def test_own_file_is_the_one_that_panel_is_configured_with(there: str, served: str, file: str) -> None:
    assert own_file(there.splitlines(), served) == file
    (service, *_) = services(at(2087, there=there, served=served), EVERYTHING)
    assert {path for _, path in paths(service.listeners[0])} == {file}


@pytest.mark.parametrize(
    ("there", "folder"),
    [
        ("/etc/apache2/conf/httpd.conf\n/var/www/html\n/usr/local/apache/htdocs", "/var/www/html"),
        ("/usr/local/apache/conf/httpd.conf\n/var/www/html\n/usr/local/apache/htdocs", "/usr/local/apache/htdocs"),
        ("/etc/apache2/conf/httpd.conf\n/usr/local/apache/conf/httpd.conf", "/var/www/html"),
        ("/usr/local/apache/htdocs", "/usr/local/apache/htdocs"),
        ("/var/www/html\n/usr/local/apache/htdocs", "/var/www/html"),
    ],
)
def test_easyapache_3_and_4_are_distinguished(there: str, folder: str) -> None:
    panel_sites = websites(at(80, there=there), HOST, ())
    assert docroot_of(panel_sites, HOST) == Docroot(folder)
    assert docroot_of(panel_sites, "www.example.com") != Docroot(folder)


def test_website_of_web_server_replaces_that_of_panel() -> None:
    assert websites(at(80, there="/var/www/html"), HOST, (SITE,)) == ()
    proxy = Website("apache", "first", 80, ("0.0.0.0",), (HOST,), why="apache passes it on")
    assert websites(at(80, there="/var/www/html"), HOST, (proxy,)) == ()
    elsewhere = Website("apache", "first", 8080, ("0.0.0.0",), (HOST,), docroot=Docroot("/x"))
    assert len(websites(at(80, there="/var/www/html"), HOST, (elsewhere,))) == 1


def test_no_website_without_web_server_or_folder() -> None:
    assert websites(at(443, there="/var/www/html"), HOST, ()) == ()
    assert websites(at(80), HOST, ()) == ()


def installed(path: str, real: str | None = None, **more: str) -> InstalledFile:
    """Return a certificate file."""
    return InstalledFile(path, "certificate", real, **more)  # type: ignore[arg-type]  # a fault is one of a few words


@pytest.mark.parametrize(
    ("service", "file", "name"),
    [
        ("cpanel", installed(OWN), "cpanel"),
        ("dovecot", installed("/etc/dovecot/ssl/dovecot.crt", "/var/cpanel/ssl/dovecot/dovecot.crt"), "dovecot"),
        ("exim", installed("/etc/exim.crt", "/var/cpanel/ssl/exim/exim.crt"), "exim"),
        ("pure-ftpd", installed("/etc/ssl/private/pure-ftpd.pem", "/var/cpanel/ssl/ftp/pure-ftpd.pem"), "ftp"),
        ("proftpd", installed("/var/cpanel/ssl/ftp/ftpd-rsa.pem"), "ftp"),
        ("exim", installed("/etc/exim.crt", "/etc/exim.crt", fault="missing"), "exim"),
        ("exim", installed("/etc/exim.crt", "/etc/exim.crt"), None),  # a file of the user instead of the link
        ("dovecot", installed("/etc/ssl/own.crt"), None),
        ("dovecot", installed("/var/cpanel/ssl/exim/exim.crt"), None),
        ("dovecot", installed("/var/cpanel/ssl/domain_tls/www.example.com/combined"), None),
        ("apache", installed("/var/cpanel/ssl/cpanel/cpanel.pem"), None),
    ],
)
def test_word_is_returned_for_paths_that_panel_installs_to(service: str, file: InstalledFile, name: str | None) -> None:
    assert word(service, [file]) == name
    assert word(service, []) is None
