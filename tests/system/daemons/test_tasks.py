"""Processes of a daemon's program that serve nothing: they test a configuration, print settings or take one email."""

from __future__ import annotations

from typing import Final

import pytest

from audit.host.script import composed, inspection_script, instances, read_sections
from audit.host.trust import messages
from audit.services import SERVICES
from audit.services.model import Section
from tests.support.hosts.host import Host, HostFile, running_host

pytestmark = [pytest.mark.system, pytest.mark.usefixtures("overlays")]
WAIT: Final = "/srv/wait"
SLOW: Final = "/srv/slow"
DAEMONS: Final = {
    "nginx": ("nginx -g daemon", "nginx -c /etc/hosts -q"),
    "apache2": ("apache2 -k start", "apache2 -D FOREGROUND", "apache2 -k graceful", "apache2 -T"),
    "haproxy": ("haproxy -Ws -f /etc/hosts -p /run/c.pid",),
    "dovecot": ("dovecot -F",),
    "exim4": ("exim4 -bd -q30m", "exim4 -bdf"),
    "master": ("master -w",),
    "pure-ftpd": ("pure-ftpd -8 UTF-8",),
    "vsftpd": ("vsftpd /etc/hosts",),
    "proftpd": ("proftpd -n -c /etc/hosts",),
}
"""Command lines of daemons by their program; each leads its session."""
TASKS: Final = {
    "nginx": ("nginx -t", "nginx -qT", "nginx -V", "nginx -s reload"),
    "apache2": ("apache2 -t", "apache2 -tDDUMP_MODULES", "apache2 -S", "apache2 -M", "apache2 -k stop",
                "apache2 -k graceful-stop"),
    "haproxy": ("haproxy -c -f /etc/hosts", "haproxy -f /etc/hosts -c", "haproxy -vv"),
    "dovecot": ("dovecot -n", "dovecot -c /etc/hosts reload", "dovecot --version"),
    "exim4": ("exim4 -bP tls_certificate", "exim4 -bt root", "exim4 -q", "exim4 -Mc 1x-2y-3z",
              "exim4 -bs -tls-on-connect"),
    "master": ("master -t", "master -c /etc/hosts -dt"),
    "pure-ftpd": ("pure-ftpd --help",),
    "vsftpd": ("vsftpd -v",),
    "proftpd": ("proftpd -t", "proftpd -nt -c /etc/hosts", "proftpd --configtest", "proftpd -vv"),
}  # fmt: skip
"""Command lines of processes that end, by their program."""
ATTACHED: Final = ("apache2 -k graceful", "apache2 -k restart")
"""The same as those of a daemon that they would start, but they have not left the session of their login."""


def _started(leads: str, line: str) -> str:
    """Return a command that runs a shell with the name of the program: it waits, and has the words of the line."""
    program, _, words = line.partition(" ")
    return f"{leads} /usr/local/sbin/{program} {WAIT} {words} >/dev/null 2>&1 &"


@pytest.fixture(scope="module")
def inspected() -> set[str]:
    """Return the command lines of the processes that are inspected on a host with daemons and tasks."""
    lines = [_started("setsid", line) for table in (DAEMONS, TASKS) for lines in table.values() for line in lines]
    lines += [_started("", line) for line in ATTACHED]
    with running_host("controller", "mail.example.test") as host:
        host.write(HostFile(WAIT, "sleep 1000\n"))
        host.shell("\n".join(f"cp /bin/dash /usr/local/sbin/{program}" for program in DAEMONS))
        host.shell("\n".join(lines))
        found = _inspected(host)
    words = (sections["words"].text.split() for (_, pid), sections in found.items() if pid)
    return {" ".join(word for word in line if word != WAIT).removeprefix("/usr/local/sbin/") for line in words}


def _sections(host: Host) -> dict[str, Section]:
    return read_sections("WORD", host.do("sh", "-c", composed(inspection_script(SERVICES, ()), "WORD")))


def _inspected(host: Host) -> dict[tuple[str, int], dict[str, Section]]:
    sections = _sections(host)
    assert sections["untrusted"].text == ""
    return instances(sections)


def test_tables_have_every_service() -> None:
    programs = {program for program in DAEMONS if TASKS[program]}
    assert [service.name for service in SERVICES if not programs & {*service.processes}] == []


@pytest.mark.parametrize("line", [line for lines in DAEMONS.values() for line in lines])
def test_daemon_is_inspected(inspected: set[str], line: str) -> None:
    assert line in inspected


@pytest.mark.parametrize("line", [line for lines in TASKS.values() for line in lines])
def test_process_that_serves_nothing_is_not_inspected(inspected: set[str], line: str) -> None:
    assert line not in inspected


def test_command_that_signals_a_daemon_is_not_inspected(inspected: set[str]) -> None:
    assert "apache2 -k restart" not in inspected


@pytest.mark.parametrize("runs", [False, True])
def test_exim_that_prints_settings_is_not_taken_for_the_daemon(*, runs: bool) -> None:
    with running_host("controller", "mail.example.test") as host:
        if runs:
            host.shell("exim4 -bd -q30m")
            host.wait_for(25)
        daemon = int(host.shell("pidof exim4")) if runs else 0
        # it waits for its configuration, so it runs during the whole inspection
        host.shell(f"mkfifo {SLOW}; setsid exim4 -C {SLOW} -bP tls_certificate >/dev/null 2>&1 &")
        host.shell(f"until [ $(pidof exim4 | wc -w) -gt {int(runs)} ]; do sleep 0.05; done")
        assert set(_inspected(host)) == {("exim", daemon)}


def test_settings_that_other_inspections_print_change_nothing() -> None:
    """Each inspection runs `exim4 -bP`; hosts that are one machine see it as another's process."""
    with running_host("controller", "mail.example.test") as host:
        host.shell("while :; do exim4 -bP tls_certificate; done >/dev/null 2>&1 & until pidof exim4; do :; done")
        assert [set(_inspected(host)) for _ in range(4)] == [{("exim", 0)}] * 4


def test_process_without_a_command_line_is_not_taken_for_a_daemon() -> None:
    """A process that begins or ends has none; this one never has."""
    with running_host("controller", "mail.example.test") as host:
        host.shell("cp /bin/dash /usr/local/sbin/nginx")
        host.shell(
            "(sleep 1000 | bash -c 'exec -a \"\" /usr/local/sbin/nginx') & until pidof nginx; do sleep 0.05; done"
        )
        sections = _sections(host)
        assert set(instances(sections)) == {("exim", 0)}
        assert [message.partition(" named ")[2] for message in messages(sections)] == [
            "nginx has no command line: not inspected"
        ]
