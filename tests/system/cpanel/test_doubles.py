"""The doubles of the panel's proprietary programs: each works as documented and refuses unknown arguments."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from tests.support.cpanel import layout, vendor_command
from tests.support.cpanel import restart_scripts as restarting
from tests.support.cpanel.server import Panel
from tests.support.hosts.host import Host, running_host
from tests.support.hosts.pki import Authority, new_authority

pytestmark = [pytest.mark.system, pytest.mark.usefixtures("overlays")]

OLD = new_authority(datetime.now(UTC))


@pytest.fixture(scope="module")
def panel(overlays: None) -> Iterator[Panel]:  # noqa: ARG001 - asked for to skip or fail before anything starts
    with running_host("main", "server.panel.test") as host:
        running = Panel(host)
        running.install("admin@contact.test", dict.fromkeys(layout.SERVICES, OLD.self_signed(host.name)))
        yield running


def refused(host: Host, *argv: str) -> str:
    """Return the error message of a program that refuses its arguments."""
    done = host.run(*argv)
    assert done.returncode != 0
    return done.stdout + done.stderr


def test_every_service_serves_its_own_certificate_on_all_its_ports(panel: Panel, authority: Authority) -> None:
    given = {service: authority.issue(panel.name) for service in layout.SERVICES}
    panel.plant(**given)
    served = panel.serials()
    assert {len(serials) for serials in served.values()} == {1}
    assert len(set.union(*served.values())) == len(layout.SERVICES)
    assert None not in set.union(*served.values())


@pytest.mark.parametrize("name", restarting.NAMES)
def test_restart_script_restarts_only_its_service(panel: Panel, name: str) -> None:
    before = panel.restarts()
    panel.host.do(f"/scripts/restartsrv_{name}")
    assert panel.restarts() == [*before, name]


def test_restart_script_refuses_unknown_services_and_options(panel: Panel) -> None:
    panel.host.shell("ln -s restartsrv_exim /scripts/restartsrv_smtp")
    assert "smtp is not a service" in refused(panel.host, "/scripts/restartsrv_smtp")
    assert "no such option: --gently" in refused(panel.host, "/scripts/restartsrv_exim", "--gently")


def test_installed_certificate_is_served_only_after_the_restart(panel: Panel, authority: Authority) -> None:
    new, before = authority.issue(panel.name), panel.serials()["cpanel"]
    values = {"service": "cpanel", "crt": new.certificate, "key": new.key, "cabundle": new.above}
    argv = ("whmapi1", "--output=json", "--input=json", "install_service_ssl_certificate")
    panel.host.do(f"/usr/local/cpanel/bin/{argv[0]}", *argv[1:], stdin=json.dumps(values).encode())
    assert panel.serials()["cpanel"] == before
    panel.host.do("/scripts/restartsrv_cpsrvd")
    panel.host.do("/scripts/restartsrv_cpdavd")
    assert panel.serials()["cpanel"] != before
    assert len(panel.serials()["cpanel"]) == 1


def test_checkallsslcerts_double_refuses_an_undocumented_option(panel: Panel) -> None:
    assert "Unknown option: --force" in refused(panel.host, vendor_command.PATH, "--force")
