"""A panel's host, looked at from inside: its services, ports and files, whatever of them is switched off or moved."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any, Final

import pytest

from tests.support.checkout import CHECKOUT
from tests.support.cpanel.daemons import OLD_DOCROOT
from tests.support.cpanel.layout import PORTS, SSL
from tests.support.cpanel.server import Panel
from tests.support.hosts.host import Host, HostFile, running_host
from tests.support.hosts.pki import Authority

pytestmark = [pytest.mark.system, pytest.mark.usefixtures("overlays")]

NAME: Final = "server.example.test"
ADDRESS: Final = "198.18.70.1"
_IMPLICIT: Final = {993: "imaps", 995: "pop3s", 465: "smtps"}
_LOOK: Final = """
import json, os, sys
from datetime import UTC, datetime
from audit.policy import choose_policy
from audit.host.discovery import Login, discover
from audit.services.virtual_hosts import docroot_of

def look(**changed):
    return discover((Login("local://", **changed),), clock=lambda: datetime.now(UTC))[0]

def policy(view):
    return choose_policy(None, is_cpanel=view.is_cpanel, is_private_pki=False).name

if sys.argv[2:]:  # what is imported and read late is so before a user is become who may not
    policy(look(discover=False).host.server)
    os.setgroups([]), os.setgid(int(sys.argv[2])), os.setuid(int(sys.argv[2]))
found = look()
host = found.host.server
json.dump({
    "endpoints": {f"{one.endpoint.scheme}:{one.endpoint.port}": {
        "service": one.server.service, "runs": one.server.service_running, "word": one.server.panel_service,
        "agent": one.server.agent, "files": [[file.path, file.real_path] for file in one.server.files],
        "policy": policy(one.server),
    } for one in found.targets},
    "docroot": str(docroot_of(host.websites, sys.argv[1])),
    "missing": host.missing_rights, "version": host.cpanel.version,
}, sys.stdout)
"""
_WEB: Final = (
    "import http.server; http.server.HTTPServer(('', 80), http.server.SimpleHTTPRequestHandler).serve_forever()"
)
_START: Final = "for name in cpsrvd cpdavd dovecot exim ftpserver httpd; do /scripts/restartsrv_$name; done"


@pytest.fixture(scope="module")
def panel(overlays: None, authority: Authority) -> Iterator[Panel]:  # noqa: ARG001 - overlays skips or fails first
    with running_host("main", NAME) as host:
        host.shell(f"ip addr add {ADDRESS}/32 dev lo")
        running = Panel(host)
        running.install("admin@example.test", dict.fromkeys(PORTS, authority.issue(NAME)))
        yield running


def look(host: Host, *user: str) -> dict[str, Any]:
    """Return what is found on the host by a login of root, or of a user by number."""
    reported = host.do("env", "-C", str(CHECKOUT), sys.executable, "-c", _LOOK, NAME, *user)
    seen: dict[str, Any] = json.loads(reported)
    return seen


def services(seen: dict[str, Any]) -> dict[str, set[str]]:
    """Return scheme and port of each endpoint, by the panel's word for its service."""
    found: dict[str, set[str]] = {}
    for place, one in seen["endpoints"].items():
        found.setdefault(one["word"], set()).add(place)
    return found


def expected(*words: str) -> dict[str, set[str]]:
    """Return the same as it is to be where those services are looked at, at all of their ports."""
    return {
        word: {f"{starttls or _IMPLICIT.get(port, 'https')}:{port}" for port, starttls in PORTS[word]} for word in words
    }


def own_files(seen: dict[str, Any]) -> set[str]:
    """Return where the certificate and key of the panel's own service are looked for."""
    return {path for one in seen["endpoints"].values() if one["word"] == "cpanel" for path, _ in one["files"]}


def test_every_cpanel_service_is_found_with_its_ports_and_files(panel: Panel) -> None:
    seen = look(panel.host)
    assert services(seen) == expected("cpanel", "dovecot", "exim", "ftp")
    assert {one["service"] for one in seen["endpoints"].values()} == {"cpanel", "dovecot", "exim", "pure-ftpd"}
    reported = {(one["policy"], one["agent"], one["runs"]) for one in seen["endpoints"].values()}
    assert (reported, seen["version"], seen["missing"]) == ({("cpanel", None, True)}, "11.120.0.10", [])
    linked = seen["endpoints"]["smtps:465"]["files"]
    assert linked == [[f"/etc/exim.{kind}", f"{SSL}/exim/exim.{kind}"] for kind in ("crt", "key")]
    assert own_files(seen) == {f"{SSL}/cpanel/cpanel.pem"}
    assert seen["docroot"] == "/var/www/html/.well-known/pki-validation"


def test_disabled_services_are_left_out_and_stopped_ones_are_kept(panel: Panel) -> None:
    host = panel.host
    host.shell(
        "touch /etc/imapdisable /etc/popdisable /etc/ftpddisable; pkill -x pure-ftpd; doveadm stop;"
        "pkill -x exim4; while pgrep -x 'exim4|dovecot|pure-ftpd'; do sleep 0.02; done"
    )
    try:
        seen = look(host)
        assert services(seen) == expected("cpanel", "exim")
        assert not seen["endpoints"]["smtps:465"]["runs"]
    finally:
        host.shell(f"rm /etc/imapdisable /etc/popdisable /etc/ftpddisable; {_START}")


def test_installed_file_of_cpanel_is_judged_before_its_default_file(panel: Panel, authority: Authority) -> None:
    host, other = panel.host, authority.issue(NAME)
    own, installed = f"{SSL}/cpanel/cpanel.pem", f"{SSL}/cpanel/mycpanel.pem"
    host.write(HostFile(installed, other.key + other.fullchain, 0o640, "cpanel", "cpanel"))
    try:
        assert own_files(look(host)) == {installed}  # it was not restarted since
        host.shell(
            f"touch -d '1 hour ago' {installed}; kill $(pidof -x cpsrvd); while pidof -x cpsrvd; do sleep 0.02; done;"
            f"setsid openssl s_server -quiet -accept 2087 -cert {own} -key {own} </dev/null >/dev/null 2>&1 &"
        )
        host.wait_for(2087)
        assert own_files(look(host)) == {own}  # it was, and serves the other all the same
    finally:
        host.shell(f"rm {installed}; pkill -x openssl; {_START}")


def test_easyapache_3_and_4_are_distinguished(panel: Panel) -> None:
    host = panel.host
    panel.use(OLD_DOCROOT)
    assert look(host)["docroot"] == "/usr/local/apache/htdocs/.well-known/pki-validation"
    host.shell("apache2ctl stop; while pgrep -x apache2; do sleep 0.02; done")
    host.write(HostFile("/etc/apache2/conf/httpd.conf", ""))
    process = host.start(sys.executable, "-c", _WEB)
    try:  # an unknown web server has no docroot
        host.wait_for(80)
        assert look(host)["docroot"] == "/var/www/html/.well-known/pki-validation"
    finally:
        process.kill()
        process.communicate()


def test_login_without_rights_finds_all_services_and_lists_missing_files(panel: Panel) -> None:
    panel.host.shell(f"chmod 700 {SSL}/cpanel {SSL}/exim")
    seen = look(panel.host, "65534")
    assert {"https:2083", "https:2087", "https:2096", "smtps:465"} <= set(seen["endpoints"])
    assert f"{SSL}/cpanel/cpanel.pem: the login may not search {SSL}/cpanel" in seen["missing"]
