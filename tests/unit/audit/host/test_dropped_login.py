"""What was learnt before a login was dropped is kept, and what is missing is named with the reason."""

from __future__ import annotations

from datetime import datetime

from audit.host.inspect import HostOptions, inspect
from audit.host.script import Script
from audit.observation import ProbeFailure
from audit.services.model import Section
from tests.support.scripted_host import ANSWERED, PreparedHost, sections

DUMP = "tls_certificate = /etc/ssl/mail.crt\ntls_privatekey = /etc/ssl/mail.key\ntls_on_connect_ports = 465\n"
DROPPED = ProbeFailure("login", "closed", "ssh://root@server: the login's port closed the connection")


class DroppedHost(PreparedHost):
    """A host that drops the connection after the first command."""

    def run(self, script: Script) -> dict[str, Section] | ProbeFailure:
        return super().run(script) if self.commands == 0 else DROPPED


def clock() -> datetime:
    return ANSWERED


def test_endpoints_of_the_first_command_are_kept_if_the_second_is_dropped() -> None:
    told = sections(465, 25, exim_dump=DUMP)
    del told["cpanel"]
    whole, expected = inspect(PreparedHost(told), HostOptions(), clock)
    seen, targets = inspect(DroppedHost(told), HostOptions(), clock)
    assert expected
    assert {str(target.endpoint) for target in targets} == {str(target.endpoint) for target in expected}
    assert (whole.failures, seen.failures) == ((), (DROPPED,))


def test_file_that_was_not_read_before_the_drop_has_the_reason() -> None:
    told = sections(465, exim_dump=DUMP)
    del told["cpanel"]
    seen, targets = inspect(DroppedHost(told), HostOptions(), clock)
    files = [file for target in targets if target.server for file in target.server.files]
    assert {(file.fault, file.detail) for file in files} == {("denied", DROPPED.detail)}
    assert seen.server is not None
    assert f"/etc/ssl/mail.crt: {DROPPED.detail}" in seen.server.missing_rights


def test_firewall_that_was_not_read_before_the_drop_is_not_empty() -> None:
    told = sections(465, exim_dump=DUMP)
    del told["cpanel"]
    seen, _ = inspect(DroppedHost(told), HostOptions(not_validated=()), clock)
    assert seen.server is not None
    assert seen.server.validation is not None
    assert DROPPED.detail in seen.server.validation.unread
