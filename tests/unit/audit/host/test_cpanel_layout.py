"""Tests of the inspection of a cPanel host: services, files, rights and the website of the panel."""

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
from tests.support.endpoint_facts import CPANEL, observed
from tests.support.local_files import certificate
from tests.support.scripted_host import inspect_answers, sections
from tests.support.verdicts import finding, inconclusive, judged

OWN: Final = "/var/cpanel/ssl/cpanel/cpanel.pem"
EXIM: Final = "/var/cpanel/ssl/exim/exim"
_EXIM_SETTINGS: Final = """local_interfaces = <; 0.0.0.0
daemon_smtp_ports = 25 : 465 : 587
tls_on_connect_ports = 465
tls_certificate = /etc/exim.crt
tls_privatekey = /etc/exim.key
"""
_OFF: Final = "/etc/imapdisable\n/etc/popdisable\n/etc/ftpddisable"
ANSWERS: Final = sections(
    25, 80, 465, 587, 2083, 2087,
    exim_dump=_EXIM_SETTINGS, there=f"{OWN}\n{_OFF}\n/etc/apache2/conf/httpd.conf\n/var/www/html",
)  # fmt: skip
DENIED: Final = "real {}\nclosed /var/cpanel/ssl/cpanel\nmissing"


def file(real: str, owner: str = "cpanel", group: str = "cpanel", mode: str = "640", *, key: bool = False) -> str:
    """Return what the host prints about a file with the certificate, or the key, of the tests."""
    content = f"key {'ab' * 32}" if key else certificate().decode()
    return f"real {real}\nstat {mode} {owner} {group} regular file\n{content}"


FILES: Final = {
    f"file:{OWN}": Section(file(OWN)),
    "file:/etc/exim.crt": Section(file(f"{EXIM}.crt", "mailnull", "mail", "660")),
    "file:/etc/exim.key": Section(file(f"{EXIM}.key", "mailnull", "mail", "660", key=True)),
}


def views(**changed: Section | str) -> dict[str, HostView]:
    """Return the view of each endpoint of the panel's host, some of its sections changed."""
    changes = {name: value if isinstance(value, Section) else Section(value) for name, value in changed.items()}
    _, targets = inspect_answers({**ANSWERS, **FILES, **changes})
    return {str(target.endpoint): target.server for target in targets if target.server}


def at(scheme: str, port: int) -> str:
    """Return the id of an endpoint of the host."""
    return f"server/{scheme}://server.example.com:{port}"


def test_services_of_the_panel_are_found_unless_switched_off() -> None:
    found = views()
    assert {endpoint: view.service for endpoint, view in found.items()} == {
        at("https", 2083): "cpanel",
        at("https", 2087): "cpanel",
        at("smtp", 25): "exim",
        at("smtps", 465): "exim",
        at("smtp", 587): "exim",
    }
    assert all(view.service_running and view.is_cpanel for view in found.values())
    assert {(view.panel_service, view.agent) for view in found.values()} == {("cpanel", None), ("exim", None)}
    assert choose_policy(None, is_cpanel=found[at("https", 2087)].is_cpanel, is_private_pki=False).name == "cpanel"


def test_file_has_configured_path_real_path_and_owner() -> None:
    leaf, key = views()[at("smtps", 465)].files
    assert (leaf.path, leaf.real_path, len(leaf.chain_der)) == ("/etc/exim.crt", f"{EXIM}.crt", 1)
    assert (key.path, key.owner, key.group, key.mode) == ("/etc/exim.key", "mailnull", "mail", 0o660)


@pytest.mark.parametrize(("key", "message"), [
    (file("/k", "mailnull", "mail", "660", key=True), None),
    (file("/k", "mailnull", "mail", "640", key=True), None),
    (file("/k", "root", "wheel", "640", key=True), None),
    (file("/k", "mailnull", "users", "620", key=True), "the group users may write it"),
    (file("/k", "root", "wheel", "660", key=True), "the group wheel may write it"),
    (file("/k", "alice", "mail", "600", key=True), "it belongs to alice"),
])  # fmt: skip
def test_key_is_private_only_with_owner_and_mode_of_the_panel(key: str, message: str | None) -> None:
    judgement = judged(test_key.test_key_is_private, server=views(**{"file:/etc/exim.key": key})[at("smtp", 25)],
                       policy=CPANEL)  # fmt: skip
    assert (judgement and judgement.reason.partition("): ")[2]) == message


def test_service_without_its_certificate_file_has_none_installed() -> None:
    server = views(**{f"file:{OWN}": f"real {OWN}\nmissing", "cpanel.there": _OFF})[at("https", 2087)]
    refused = ProbeFailure("connect", "refused", "connection refused", "192.0.2.1")
    seen = observed(failures=(refused,), server=server)
    found = finding(test_installed.test_has_certificate_of_its_own, observation=seen, policy=CPANEL)
    assert found.reason == f"no certificate is installed: {OWN} does not exist"
    other = observed(failures=(refused,), server=views()[at("https", 2087)])
    assert inconclusive(test_installed.test_has_certificate_of_its_own, observation=other, policy=CPANEL)


def test_enabled_service_that_is_stopped_is_an_endpoint() -> None:
    there = ANSWERS["cpanel.there"].text.replace("/etc/ftpddisable\n", "")
    ftp = views(**{"cpanel.there": there})[at("ftp", 21)]
    assert (ftp.service, ftp.service_running, ftp.panel_service) == ("pure-ftpd", False, "ftp")
    assert {file.path for file in ftp.files} == {"/var/cpanel/ssl/ftp/pure-ftpd.pem"}


def test_host_name_has_the_website_of_the_panel_without_a_web_server() -> None:
    observation, _ = inspect_answers({**ANSWERS, **FILES})
    assert observation.server
    assert docroot_of(observation.server.websites, "server.example.com") == Docroot("/var/www/html")
    assert observation.server.cpanel is not None
    assert observation.server.cpanel.version == "11.120.0.10"


def test_remedy_for_a_missing_certificate_file_is_reissue() -> None:
    gone = {f"file:{OWN}": f"real {OWN}\nmissing", "cpanel.there": _OFF}
    server = views(**gone)[at("https", 2087)]
    assert server.panel_service == "cpanel"
    found = finding(test_installed.test_configured_files_are_there, server=server)
    assert (found.remedy, f"the certificate file {OWN} does not exist" in found.reason) == ("reissue", True)


def test_declared_service_keeps_its_port() -> None:
    gate = DeclaredService("gate", ("https://gate.example.com:2083",))
    _, targets = inspect_answers({**ANSWERS, **FILES}, services=(gate,))
    of_2083 = [(target.endpoint.service, target.endpoint.name) for target in targets if target.endpoint.port == 2083]
    assert of_2083 == [("gate", "gate.example.com")]


def test_panel_is_recognized_without_discovery_but_not_inspected() -> None:
    answers = {name: section for name, section in ANSWERS.items() if "#" not in name}
    observation, targets = inspect_answers(answers, discover=False)
    assert observation.server
    assert (observation.server.is_cpanel, observation.server.websites, targets) == (True, (), ())


def test_host_without_a_panel_has_only_its_own_services() -> None:
    answers = {name: section for name, section in ANSWERS.items() if not name.startswith("cpanel")}
    observation, targets = inspect_answers(answers)
    assert observation.server
    assert (observation.server.is_cpanel, observation.server.websites) == (False, ())
    assert {target.endpoint.service for target in targets} == {"exim"}


def test_missing_right_of_the_login_is_reported() -> None:
    hidden = {"uid": "plain", f"file:{OWN}": DENIED.format(OWN), "cpanel.there": _OFF}
    (missing,) = views(**hidden)[at("https", 2087)].missing_rights
    assert missing == f"{OWN}: the login may not search /var/cpanel/ssl/cpanel"


@pytest.mark.parametrize(
    "version", [Section("cat: version: Permission denied", 1), Section("", 0), Section("11", None)]
)
def test_unreadable_version_is_reported_and_host_is_not_a_panel_host(version: Section) -> None:
    observation, _ = inspect_answers({**ANSWERS, **FILES, "uid": Section("plain"), "cpanel": version})
    assert observation.server
    message = "plain may not read /usr/local/cpanel/version: the host is treated as one without cpanel"
    assert observation.server.missing_rights[0] == message
    assert not observation.server.is_cpanel
