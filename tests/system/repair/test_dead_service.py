"""A service that ends at a reload although its own test passes: it is restarted with its old files."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import pytest

from tests.support.hosts.fleet import WEB1, WWW, Fleet, leaf_of, running_fleet
from tests.support.hosts.openssl_client import served
from tests.support.hosts.pki import Authority

pytestmark = [pytest.mark.system, pytest.mark.usefixtures("overlays")]

_DEMANDING: Final = r"""
sed -i 's|SSLEngine on|& \n SSLCipherSuite DEFAULT:@SECLEVEL=3|' /etc/apache2/sites-enabled/000-default.conf
apache2ctl graceful
"""
"""No key of less than 128 bits' strength: an RSA key of 2,048 bits has 112."""


@pytest.fixture(scope="module")
def fleet(overlays: None, authority: Authority) -> Iterator[Fleet]:  # noqa: ARG001 - overlays skips or fails first
    with running_fleet(authority, "nginx", "apache", over_ssh=False) as running:
        running.audit()
        yield running


def test_apache_that_ends_at_a_reload_is_restarted_with_the_old_files(fleet: Fleet) -> None:
    fleet.begin_again()
    fleet.web1.shell(_DEMANDING)
    orders, state, old = fleet.orders(), fleet.new_state(), leaf_of(fleet.planted.old)
    with fleet.controller(state, key_type="rsa-2048") as controller, fleet.watching(443) as nginx:
        ((kind, step, cause, note),) = controller.run()["endings"]
        assert (kind, step, cause) == ("failed", "reload apache", "install.not-taken-up")
        assert "apache (process" in note
        assert "has ended" in note
        assert [served(fleet.web1, port, WEB1)[0] == old for port in (8443, 443)] == [True, False]
        fleet.web1.shell("sed -i s/SECLEVEL=3/SECLEVEL=2/ /etc/apache2/sites-enabled/000-default.conf")
        fleet.a_night_passes(state)
        result = controller.run()
        assert [kind for kind, *_ in result["endings"]] == ["proven"], result
        assert nginx.saw_no_gap(is_replaced=True)
    assert (fleet.orders() - orders, len(fleet.leaves() - {old})) == (1, 1)


def test_apache_that_cannot_reload_is_repaired_before_the_others(fleet: Fleet, authority: Authority) -> None:
    fleet.begin_again()
    mismatched = fleet.planted.second.with_key_of(authority.issue("other.example.test"))
    fleet.web1.write(*mismatched.at("/etc/ssl/apache/second"))
    fleet.audit()
    with fleet.controller() as controller, fleet.watching() as watch:
        result = controller.run()
        assert [kind for kind, *_ in result["endings"]] == ["proven"], result
        ((because,),) = result["waiting"]
        assert "apache would not load its configuration: " in because
        assert "/etc/ssl/apache/second.key is not the key of" in because
        assert watch.saw_no_gap(is_replaced=False)
    assert served(fleet.web1, 8443, WWW)[0].public_key() != leaf_of(fleet.planted.second).public_key()
