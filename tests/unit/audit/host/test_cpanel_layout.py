"""A panel's host looked at: what of it is audited, with which files, and what a login without rights is told."""

from __future__ import annotations

from typing import Final

import pytest

from audit.checks import test_installed, test_key
from audit.observation import HostView, ProbeFailure
from audit.observation.website import Docroot
from audit.policy import choose_policy
from audit.services.declared import DeclaredService
from audit.services.model import Section
from audit.services.virtual_hosts import docroot_of
from tests.integration.audit.host.test_local_host import certificate
from tests.support.endpoint_facts import CPANEL, observed
from tests.support.scripted_host import ask, sections
from tests.support.verdicts import finding, inconclusive, judged

OWN: Final = "/var/cpanel/ssl/cpanel/cpanel.pem"
EXIM: Final = "/var/cpanel/ssl/exim/exim"
_EXIM_SAYS: Final = """local_interfaces = <; 0.0.0.0
daemon_smtp_ports = 25 : 465 : 587
tls_on_connect_ports = 465
tls_certificate = /etc/exim.crt
tls_privatekey = /etc/exim.key
"""
_OFF: Final = "/etc/imapdisable\n/etc/popdisable\n/etc/ftpddisable"
ANSWERS: Final = sections(
    25, 80, 465, 587, 2083, 2087,
    exim_dump=_EXIM_SAYS, there=f"{OWN}\n{_OFF}\n/etc/apache2/conf/httpd.conf\n/var/www/html",
)  # fmt: skip
DENIED: Final = "real {}\nclosed /var/cpanel/ssl/cpanel\nmissing"


def file(real: str, owner: str = "cpanel", group: str = "cpanel", mode: str = "640", *, key: bool = False) -> str:
    """Return what the host says of a file with the certificate, or the key, of the tests."""
    content = f"key {'ab' * 32}" if key else certificate().decode()
    return f"real {real}\nstat {mode} {owner} {group} regular file\n{content}"


FILES: Final = {
    f"file:{OWN}": Section(file(OWN)),
    "file:/etc/exim.crt": Section(file(f"{EXIM}.crt", "mailnull", "mail", "660")),
    "file:/etc/exim.key": Section(file(f"{EXIM}.key", "mailnull", "mail", "660", key=True)),
}


def views(**changed: Section | str) -> dict[str, HostView]:
    """Return the view of each endpoint of the panel's host, some of its sections changed."""
    changes = {name: one if isinstance(one, Section) else Section(one) for name, one in changed.items()}
    _, targets = ask({**ANSWERS, **FILES, **changes})
    return {str(one.endpoint): one.server for one in targets if one.server}


def at(scheme: str, port: int) -> str:
    """Return the id of an endpoint of the host."""
    return f"server/{scheme}://server.example.com:{port}"


def test_its_services_are_found_and_those_that_are_switched_off_are_not() -> None:
    found = views()
    assert {endpoint: one.service for endpoint, one in found.items()} == {
        at("https", 2083): "cpanel",
        at("https", 2087): "cpanel",
        at("smtp", 25): "exim",
        at("smtps", 465): "exim",
        at("smtp", 587): "exim",
    }
    assert all(one.service_running and one.is_cpanel for one in found.values())
    assert {(one.panel_service, one.agent) for one in found.values()} == {("cpanel", None), ("exim", None)}
    assert choose_policy((), is_cpanel=found[at("https", 2087)].is_cpanel, is_private_pki=False).name == "cpanel"


def test_files_are_taken_as_the_service_names_them_with_where_they_lie_and_whose_they_are() -> None:
    leaf, key = views()[at("smtps", 465)].files
    assert (leaf.path, leaf.real_path, len(leaf.chain_der)) == ("/etc/exim.crt", f"{EXIM}.crt", 1)
    assert (key.path, key.owner, key.group, key.mode) == ("/etc/exim.key", "mailnull", "mail", 0o660)


@pytest.mark.parametrize(("key", "said"), [
    (file("/k", "mailnull", "mail", "660", key=True), None),
    (file("/k", "mailnull", "mail", "640", key=True), None),
    (file("/k", "root", "wheel", "640", key=True), None),
    (file("/k", "mailnull", "users", "620", key=True), "the group users may write it"),
    (file("/k", "root", "wheel", "660", key=True), "the group wheel may write it"),
    (file("/k", "nobody", "mail", "600", key=True), "it belongs to nobody"),
])  # fmt: skip
def test_a_key_is_whose_the_panel_makes_it_and_nobody_elses(key: str, said: str | None) -> None:
    judgement = judged(test_key.test_key_is_private, server=views(**{"file:/etc/exim.key": key})[at("smtp", 25)],
                       policy=CPANEL)  # fmt: skip
    assert (judgement and judgement.reason.partition("): ")[2]) == said


def test_without_a_certificate_to_serve_it_is_said_that_none_is_installed() -> None:
    server = views(**{f"file:{OWN}": f"real {OWN}\nmissing", "cpanel.there": _OFF})[at("https", 2087)]
    refused = ProbeFailure("connect", "refused", "connection refused", "192.0.2.1")
    seen = observed(failures=(refused,), server=server)
    found = finding(test_installed.test_has_certificate_of_its_own, observation=seen, policy=CPANEL)
    assert found.reason == f"no certificate is installed: {OWN} does not exist"
    other = observed(failures=(refused,), server=views()[at("https", 2087)])
    assert inconclusive(test_installed.test_has_certificate_of_its_own, observation=other, policy=CPANEL)


def test_a_service_that_should_run_and_does_not_is_an_endpoint_that_is_not_reached() -> None:
    there = ANSWERS["cpanel.there"].text.replace("/etc/ftpddisable\n", "")
    ftp = views(**{"cpanel.there": there})[at("ftp", 21)]
    assert (ftp.service, ftp.service_running, ftp.panel_service) == ("pure-ftpd", False, "ftp")
    assert {file.path for file in ftp.files} == {"/var/cpanel/ssl/ftp/pure-ftpd.pem"}


def test_the_hosts_own_website_is_the_panels_where_no_web_server_tells_another() -> None:
    observation, _ = ask({**ANSWERS, **FILES})
    assert observation.server
    assert docroot_of(observation.server.websites, "server.example.com") == Docroot("/var/www/html")
    assert observation.server.cpanel is not None
    assert observation.server.cpanel.version == "11.120.0.10"


def test_a_missing_certificate_is_had_by_installing_one() -> None:
    gone = {f"file:{OWN}": f"real {OWN}\nmissing", "cpanel.there": _OFF}
    server = views(**gone)[at("https", 2087)]
    assert server.panel_service == "cpanel"
    found = finding(test_installed.test_configured_files_are_there, server=server)
    assert (found.remedy, f"the certificate file {OWN} does not exist" in found.reason) == ("reissue", True)


def test_what_is_declared_keeps_its_ports() -> None:
    gate = DeclaredService("gate", ("https://gate.example.com:2083",))
    _, targets = ask({**ANSWERS, **FILES}, services=(gate,))
    of_2083 = [(one.endpoint.service, one.endpoint.name) for one in targets if one.endpoint.port == 2083]
    assert of_2083 == [("gate", "gate.example.com")]


def test_without_discovery_the_panel_is_known_and_nothing_of_it_is_looked_at() -> None:
    told = {name: one for name, one in ANSWERS.items() if "#" not in name}
    observation, targets = ask(told, discover=False)
    assert observation.server
    assert (observation.server.is_cpanel, observation.server.websites, targets) == (True, (), ())


def test_a_host_without_the_panel_has_nothing_of_it() -> None:
    told = {name: one for name, one in ANSWERS.items() if not name.startswith("cpanel")}
    observation, targets = ask(told)
    assert observation.server
    assert (observation.server.is_cpanel, observation.server.websites) == (False, ())
    assert {one.endpoint.service for one in targets} == {"exim"}


def test_a_login_without_rights_is_told_which_are_missing() -> None:
    hidden = {"uid": "plain", f"file:{OWN}": DENIED.format(OWN), "cpanel.there": _OFF}
    (said,) = views(**hidden)[at("https", 2087)].missing_rights
    assert said == f"{OWN}: the login may not search /var/cpanel/ssl/cpanel"


@pytest.mark.parametrize(
    "version", [Section("cat: version: Permission denied", 1), Section("", 0), Section("11", None)]
)
def test_a_version_that_cannot_be_read_is_said_and_not_guessed_from(version: Section) -> None:
    observation, _ = ask({**ANSWERS, **FILES, "uid": Section("plain"), "cpanel": version})
    assert observation.server
    said = "plain may not read /usr/local/cpanel/version: the host is treated as one without cpanel"
    assert observation.server.missing_rights[0] == said
    assert not observation.server.is_cpanel
