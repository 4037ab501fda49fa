"""Tests of what a daemon has logged since a reload, and of its processes: only lines about itself are kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import pytest

from remediate.access_logs.service_log import DaemonProcess, ServiceState, read_service_state
from remediate.execution.failed_reload import explained
from remediate.hosts.command import CommandResult
from remediate.installers import INSTALLERS, Daemon
from remediate.model.causes import Cause

RELOAD: Final = 1_796_079_600  # 2026-11-30 23:00:00 UTC, which is midnight in the zone of the host
EMERGENCY: Final = '2026/12/01 00:00:00 [emerg] 7#7: cannot load certificate "/etc/ssl/www.pem": BIO_new_file() failed'
KEPT: Final[Mapping[str, tuple[str, ...]]] = {
    "nginx": (EMERGENCY,),
    "apache": (
        "[Tue Dec 01 00:00:00.123456 2026] [ssl:emerg] [pid 7] AH02565: Certificate and private key do not match",
    ),
    "journal": ("2026-12-01T00:00:01+0100 web1 haproxy[7]: [ALERT] (7) : config : unable to load SSL private key",),
    "syslog": ("Dec  1 00:00:01 web1 dovecot: imap-login: Error: Can't load SSL certificate (ssl_cert setting)",),
    "exim": ("2026-12-01 00:00:01 TLS error (cert setup): cannot open /etc/exim4/exim.crt",),
    "lines without a time": (EMERGENCY, "error: the line belongs to the one before"),
}
LEFT_OUT: Final[Mapping[str, str]] = {
    "before the reload": EMERGENCY.replace("2026/12/01 00:00:00", "2026/11/30 23:59:50"),
    "no error": "2026/12/01 00:00:00 [notice] 7#7: signal 1 (SIGHUP) received, reconfiguring",
    "client of nginx": "2026/12/01 00:00:01 [error] 7#7: *1 open() failed, client: 192.0.2.1, request: GET /secret",
    "client of apache": "[Tue Dec 01 00:00:01.1 2026] [core:error] [pid 7] [client 192.0.2.1:5] AH00126: Invalid URI",
    "client of dovecot": "Dec  1 00:00:01 web1 dovecot: imap-login: Error: rip=192.0.2.1, user=<anna>",
    "client of exim": "2026-12-01 00:00:01 TLS error on connection from evil [192.0.2.1]: certificate unknown",
    "address of mail": "Dec  1 00:00:01 web1 postfix/smtp[7]: error: anna@example.com cannot be reached",
    "without a time": "error: a line whose time is not known",
}


def state(*lines: str) -> ServiceState:
    """Return what is read of a command that prints these lines of a log."""
    output = "\n".join(("zone +0100", *(f"> {line}" for line in lines)))
    return read_service_state(CommandResult(0, output), RELOAD)


@pytest.mark.parametrize("lines", KEPT.values(), ids=KEPT)
def test_error_of_the_service_since_the_reload_is_kept(lines: tuple[str, ...]) -> None:
    assert [" ".join(line.split()) for line in lines] == [*state(*lines).errors]


@pytest.mark.parametrize("line", LEFT_OUT.values(), ids=LEFT_OUT)
def test_other_line_of_a_log_is_left_out(line: str) -> None:
    assert state(line).errors == ()


def test_flood_and_control_characters_of_a_log_are_cut() -> None:
    errors = state(*(f"{EMERGENCY} {number}\x1b[2J\u202e{'x' * 500}" for number in range(9))).errors
    assert len(errors) == 3
    assert all(len(error) <= 300 and error.isprintable() for error in errors)
    assert len(state(EMERGENCY, EMERGENCY).errors) == 1


def test_processes_are_read_and_a_failed_lookup_is_empty() -> None:
    output = f"first 7 {RELOAD - 99}\nworker 8 {RELOAD}\nworker x y\nworker 9 {RELOAD - 2}\n"
    found = read_service_state(CommandResult(0, output), RELOAD)
    assert found.processes[0] == DaemonProcess(is_worker=False, pid=7, began=RELOAD - 99)
    assert [(worker.pid, worker.is_newer_than(RELOAD)) for worker in found.workers] == [(8, True), (9, False)]
    assert read_service_state(CommandResult(1, output), RELOAD) == ServiceState()


def workers(*began: int) -> tuple[DaemonProcess, ...]:
    """Return workers that began so many seconds after the reload."""
    return tuple(DaemonProcess(is_worker=True, pid=pid, began=RELOAD + after) for pid, after in enumerate(began, 100))


NO_EFFECT: Final = "no worker of nginx is newer than the reload: the reload had no effect"
OTHER_FILE: Final = "all workers of nginx are newer than the reload: it loads another file, or another process responds"


@pytest.mark.parametrize(
    ("began", "errors", "cause", "line"),
    [
        ((-9, -5), (), Cause.PROOF_NOT_RELOADED, NO_EFFECT),
        ((-9, 1), (), Cause.PROOF_OLD_WORKERS, "old workers of nginx run beside new ones: processes 100"),
        ((0, 1), (), Cause.PROOF_OTHER_FILE, OTHER_FILE),
        ((-9,), ("no",), Cause.PROOF_LOGGED, NO_EFFECT),
        ((), ("no",), Cause.PROOF_LOGGED, "nginx has logged since the reload: no"),
        ((), (), Cause.PROOF_FAILED, None),
    ],
)
def test_cause_follows_from_log_and_workers(
    began: tuple[int, ...], errors: tuple[str, ...], cause: Cause, line: str | None
) -> None:
    failed = explained("nginx", ServiceState(workers(*began), errors), RELOAD, has_workers=True)
    assert (failed.cause, next(reversed(failed.lines), None)) == (cause, line)
    assert len(failed.lines) == len(errors) + bool(began)


def test_workers_of_a_service_that_starts_none_at_a_reload_decide_nothing() -> None:
    assert explained("exim", ServiceState(workers(-9)), RELOAD, has_workers=False).cause is Cause.PROOF_FAILED


def test_services_with_new_workers_at_each_reload_are_nginx_and_apache() -> None:
    daemons = [installer for installer in INSTALLERS.values() if isinstance(installer, Daemon)]
    assert [daemon.name for daemon in daemons if daemon.has_workers] == ["nginx", "apache"]
