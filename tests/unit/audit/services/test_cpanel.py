"""Tests of cPanel & WHM: its own services, services that are switched off, and the paths of their files."""

from __future__ import annotations

import pytest

from audit.observation import InstalledFile
from audit.observation.website import Docroot, Website
from audit.services import Listener, PanelService
from audit.services.cpanel import INSTALLED, OWN, kept, own_file, services, websites, word
from audit.services.model import ConfigDump, pair
from audit.services.virtual_hosts import docroot_of
from tests.support.config_dumps import brief, dump, paths

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


def named(services_of: tuple[PanelService, ...]) -> dict[str, list[int]]:
    """Return the ports of each service."""
    return {service.service: [listener.port for listener in service.listeners] for service in services_of}


def fingerprints(*, own: str = "AA", installed: str = "BB", served: str = "AA", began: int = 500) -> str:
    """Return the section about the two files; the installed file was written at 400."""
    return f"{OWN} {own} 100\n{INSTALLED} {installed} 400\nserved {served}\nbegan {began + 90}\nbegan {began}"


def test_open_ports_of_panel_are_its_own_service() -> None:
    (service,) = services(at(2087, 2083, 2080, 443, there=OWN), EVERYTHING)
    assert (service.service, service.is_running) == ("cpanel", True)
    assert brief(service.listeners) == [("https", 2083, ()), ("https", 2087, ()), ("https", 2080, ())]
    assert paths(service.listeners[0]) == [("certificate", OWN), ("key", OWN)]


def test_stopped_panel_is_expected_at_its_main_ports() -> None:
    (service,) = services(at(443), EVERYTHING)
    assert (service.is_running, named((service,))) == (False, {"cpanel": [2083, 2087, 2096]})


def test_stopped_daemon_is_listed_beside_running_daemon() -> None:
    (running, down) = services(at(2078), EVERYTHING)
    assert (running.is_running, named((running,))) == (True, {"cpanel": [2078]})
    assert (down.is_running, named((down,))) == (False, {"cpanel": [2083, 2087, 2096]})


def test_socket_of_one_address_keeps_that_address() -> None:
    sockets = (("192.0.2.1", 2083), ("::1", 2083), ("192.0.2.1", 2083))
    (service,) = services(dump(sockets, there=OWN), EVERYTHING)
    assert service.listeners[0].addresses == ("192.0.2.1", "::1")


def test_other_service_at_port_of_panel_is_kept() -> None:
    listener = Listener("https", 2083, files=pair("/etc/nginx/a.crt", "/etc/nginx/a.key"))
    proxy = PanelService("nginx", (listener,), is_running=True)
    assert kept(at(2083, 2087), proxy) == (listener,)
    assert named(services(at(2083, 2087), (*EVERYTHING, proxy))) == {"cpanel": [2087]}


def test_server_with_file_of_panel_at_its_port_is_the_panel() -> None:
    front = PanelService(
        "nginx", (Listener("https", 2083, files=pair(OWN, OWN)), Listener("https", 443)), is_running=True
    )
    assert brief(kept(at(2083, 443), front)) == [("https", 443, ())]


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


def test_stopped_and_switched_off_service_is_dropped() -> None:
    off = at(2087, there=SWITCHES)
    for service in EVERYTHING:
        stopped = PanelService(service.service, service.listeners, is_running=False)
        assert kept(off, stopped) == ()
    assert named(services(off, ())) == {"cpanel": [2087]}


def test_running_service_is_kept_if_switched_off() -> None:
    assert kept(at(25, 465, 587, there=SWITCHES), EXIM) == EXIM.listeners


def test_only_switched_off_protocol_of_dovecot_is_dropped() -> None:
    assert brief(kept(at(143, there="/etc/popdisable"), DOVECOT)) == [("imap", 143, ())]
    added = services(at(2087, there="/etc/popdisable"), (EXIM, FTP))
    assert named(added) == {"cpanel": [2087], "dovecot": [993, 143]}


def test_switch_does_not_apply_to_other_service() -> None:
    postfix = PanelService("postfix", (Listener("smtp", 25),), is_running=False)
    assert kept(at(there=SWITCHES), postfix) == postfix.listeners


def test_missing_services_are_expected_with_ports_and_files() -> None:
    own, *expected = services(at(2087, there="/var/cpanel/ssl/exim/myexim.crt\n/var/cpanel/ssl/exim/myexim.key"), ())
    assert own.is_running
    assert not any(service.is_running for service in expected)
    assert named(tuple(expected)) == {"dovecot": [993, 143, 995, 110], "exim": [465, 25, 587], "pure-ftpd": [21]}
    assert [path for service in expected for _, path in paths(service.listeners[0])] == [
        "/var/cpanel/ssl/dovecot/dovecot.crt",
        "/var/cpanel/ssl/dovecot/dovecot.key",
        "/var/cpanel/ssl/exim/myexim.crt",
        "/var/cpanel/ssl/exim/myexim.key",
        "/var/cpanel/ssl/ftp/pure-ftpd.pem",
        "/var/cpanel/ssl/ftp/pure-ftpd.pem",
    ]


def test_either_ftp_server_is_the_panels() -> None:
    proftpd = PanelService("proftpd", (Listener("ftp", 21),), is_running=True)
    assert named(services(at(2087), (EXIM, DOVECOT, proftpd))) == {"cpanel": [2087]}


def test_no_service_is_expected_at_port_of_another() -> None:
    postfix = PanelService("postfix", (Listener("smtp", 25),), is_running=True)
    assert named(services(at(2087, 25), (DOVECOT, FTP, postfix)))["exim"] == [465, 587]


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
