"""The access logs of a host are read, with rotated and compressed ones and through links."""

from __future__ import annotations

import bz2
import gzip
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from audit.observation import HostView
from audit.observation.website import Website
from remediate.access_logs.collect import read_scan, scan_command
from remediate.access_logs.parser import LogScan
from remediate.execution.host_context import access_logs_on, no_access_logs
from remediate.hosts.command import CommandResult
from remediate.hosts.workdir import HostWorkdir
from tests.support.remediate.fake_host.session import run

FILE: Final = "0A" * 16 + ".txt"
_PACKED: Final[dict[str, Callable[[bytes], bytes]]] = {".gz": gzip.compress, ".bz2": bz2.compress}


def line(address: str) -> str:
    return f'{address} - - [23/Nov/2026:10:03:04 +0000] "GET /x/{FILE} HTTP/1.1" 200 97 "-" "SECTIGO DCV"\n'


@dataclass(frozen=True, slots=True)
class Logs:
    """A folder of logs, and the request that was made half an hour ago."""

    folder: Path

    def write(self, name: str, *addresses: str, age_s: float = 0.0) -> str:
        """Write a log of these requests that was last written to some time ago."""
        path = self.folder / "log" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        text = "".join(['192.0.2.99 - - [x] "GET / HTTP/1.1" 200\n', *map(line, addresses)]).encode()
        path.write_bytes(_PACKED.get(path.suffix, bytes)(text))
        self.touch(path, age_s)
        return str(path)

    @staticmethod
    def touch(path: Path, age_s: float) -> None:
        """Let a file be that old."""
        os.utime(path, (time.time() - age_s,) * 2)

    def look(self, *logs: str) -> LogScan:
        """Look into logs."""
        workdir = HostWorkdir("web1", "c", "a test", str(self.folder / "root"))
        command = scan_command(workdir, FILE, logs)
        assert not command.changes
        return read_scan(run(command), FILE)


@pytest.fixture
def logs(tmp_path: Path) -> Logs:
    request = tmp_path / "root" / "c" / "pending" / "csr.pem"
    request.parent.mkdir(parents=True)
    request.touch()
    Logs.touch(request, 1800)
    return Logs(tmp_path)


def addresses(noted: LogScan) -> list[str]:
    return [request.address for request in noted.requests]


@pytest.mark.parametrize(
    "name", ["access.log.1", "access.log-20261123", "access.log.2.gz", "access.log-20261122.bz2", "access-20261123.log",
             "access-20261122.log.gz", "old/access.log-20261123.gz"],
)  # fmt: skip
def test_rotated_logs_are_read(logs: Logs, name: str) -> None:
    current = logs.write("access.log", "192.0.2.1")
    rotated = logs.write(name, "192.0.2.2", age_s=60)
    noted = logs.look(current)
    assert (addresses(noted), noted.logs, noted.faults) == (["192.0.2.1", "192.0.2.2"], (current, rotated), ())


def test_log_closed_before_the_request_is_not_read(logs: Logs) -> None:
    current = logs.write("access_log", "192.0.2.1")
    logs.write("access_log.1", "192.0.2.2", age_s=3600)
    assert logs.look(current).logs == (current,)


def test_log_not_written_since_then_reports_no_requests(logs: Logs) -> None:
    quiet = logs.write("access.log", "192.0.2.1", age_s=3600)
    logs.write("access.log.1", "192.0.2.2", age_s=7200)
    noted = logs.look(quiet)
    assert (noted.logs, noted.requests, noted.faults) == ((quiet,), (), ())


def test_log_with_two_paths_is_counted_once(logs: Logs) -> None:
    current = logs.write("access.log", "192.0.2.1")
    (logs.folder / "link").symlink_to(logs.folder / "log")
    (logs.folder / "other.log").symlink_to(current)
    noted = logs.look(current, f"{logs.folder}/link/access.log", f"?{logs.folder}/other.log")
    assert (addresses(noted), noted.logs) == (["192.0.2.1"], (current,))


def test_request_in_two_logs_counts_once_and_repeated_lines_count_twice(logs: Logs) -> None:
    own, whole = logs.write("own", "192.0.2.1", "192.0.2.1"), logs.write("whole", "192.0.2.1", "192.0.2.1", "192.0.2.2")
    assert addresses(logs.look(own, whole)) == ["192.0.2.1", "192.0.2.1", "192.0.2.2"]


def test_variables_in_a_log_path_and_names_with_spaces_are_resolved(logs: Logs) -> None:
    logs.write("a.test.log", "192.0.2.1")
    logs.write("b of test.log", "192.0.2.2")
    assert sorted(addresses(logs.look(f"{logs.folder}/log/*.log"))) == ["192.0.2.1", "192.0.2.2"]
    assert addresses(logs.look(f"{logs.folder}/log/b of test.log")) == ["192.0.2.2"]


def test_unreadable_log_is_reported_and_an_optional_log_is_not(logs: Logs) -> None:
    (logs.folder / "stream").symlink_to("/dev/null")
    (logs.folder / "log").mkdir()
    (logs.folder / "log" / "access.log-old").mkdir()
    current = logs.write("access.log", "192.0.2.1")
    noted = logs.look(
        current, "/nowhere/x y.log", "?/nowhere/z.log", "|/usr/bin/logger -t x", "syslog:user", f"{logs.folder}/stream"
    )
    assert addresses(noted) == ["192.0.2.1"]
    assert sorted(noted.faults) == [
        "/nowhere/x y.log does not exist",
        f"{logs.folder}/stream does not keep what is logged",
        "the log is written to syslog:user, which is not a file",
        "the log is written to |/usr/bin/logger -t x, which is not a file",
    ]


def test_unreadable_lines_are_counted_and_a_binary_log_is_text(logs: Logs) -> None:
    path = Path(logs.write("access.log", "192.0.2.1"))
    path.write_bytes(b"\0\0\xff\n== /etc/shadow\n!! x\nnoise about " + FILE.encode() + b"\n" + path.read_bytes())
    noted = logs.look(str(path))
    assert (addresses(noted), noted.unparsed, noted.logs, noted.faults) == (["192.0.2.1"], 1, (str(path),), ())


def test_only_the_newest_lines_and_the_beginning_of_long_lines_are_read(logs: Logs) -> None:
    path = logs.write("access.log", *(f"10.0.{number // 250}.{number % 250}" for number in range(1000)))
    Path(path).write_text(Path(path).read_text() + line("192.0.2.1").rstrip("\n") + "x" * 9000 + "\n")
    noted = logs.look(path)
    assert (len(noted.requests), addresses(noted)[-1], noted.unparsed) == (40, "192.0.2.1", 0)


def test_logs_of_the_panel_are_found_at_their_documented_paths() -> None:
    site = Website("apache", "first", 80, ("0.0.0.0",), ("a.test",), is_default=True, logs=("/l/own",))
    plain, panel = (
        HostView(f"web{int(is_cpanel)}", "local://", is_cpanel=is_cpanel, websites=(site,))
        for is_cpanel in (False, True)
    )
    assert access_logs_on(plain, 80, "a.test") == ("/l/own",)
    assert access_logs_on(panel, 80, "a.test") == (
        "/l/own",
        "?/etc/apache2/logs/access_log",
        "?/etc/apache2/logs/access",
        "?/usr/local/apache/logs/access_log",
        "?/usr/local/apache/domlogs/a.test",
    )
    assert no_access_logs("a.test") == ()


@pytest.mark.parametrize(
    ("done", "said"),
    [(CommandResult(None, "", "the login ended"), "the login ended"), (CommandResult(1, ""), "it takes too long")],
)
def test_unreachable_host_is_reported(done: CommandResult, said: str) -> None:
    assert read_scan(done, FILE) == LogScan(faults=(f"cannot read the access log: {said}",))
