"""Whole runs with a Dask cluster, as users start and end them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, TypeVar

import pytest

from tests.support.dask_cluster import RunningCluster, running_cluster
from tests.support.endpoint_facts import GOOD
from tests.support.evidence import rows
from tests.support.observations import EXPIRED, SELF_SIGNED
from tests.support.probe.tls_servers import both, closed_port, hold, serving, tls

pytest.importorskip("distributed")

OF_EACH_RUN = ("observed_at", "cipher", "group", "protocol", "elapsed_s", "started", "duration_s", "nodeid", "evidence",
               "connections")  # fmt: skip
PATIENT = ("--audit-now=2026-11-23T10:00:00Z", "--audit-timeout=60")
Found = TypeVar("Found")
OWN = """
from audit import check, require

@check("own.short", severity="low")
def test_short(endpoint):
    require(len(endpoint.name) < 11, "it is not short")
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    (tmp_path / "test_own.py").write_text(OWN)
    return tmp_path


@pytest.fixture
def cluster(folder: Path) -> Iterator[RunningCluster]:
    with running_cluster(folder) as running:
        fleet = '[fleet]\nca = "ca.pem"\ncertificate = "member.pem"\nkey = "member.key"\nwait_s = 30\n'
        (folder / "sslaudit.toml").write_text(fleet)
        yield running


@pytest.fixture
def endpoints(folder: Path) -> Iterator[None]:
    with ExitStack() as opened:
        servers = [opened.enter_context(serving(tls(both(draft)))) for draft in (GOOD, EXPIRED, SELF_SIGNED)]
        ports = [*(server.port for server in servers), opened.enter_context(closed_port())]
        lines = [f"https://n{number}.example:{ports[number % 4]}/?address=127.0.0.1" for number in range(40)]
        (folder / "endpoints").write_text("\n".join([*lines, f"https://localhost:{ports[0]}"]))
        yield


def command(folder: Path, *arguments: str) -> list[str]:
    given = ["--audit-endpoints=endpoints", "--audit-state=state", f"--audit-results={folder / 'results.jsonl'}"]
    return [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--pyargs", *given, *arguments]


def audit(folder: Path, *arguments: str) -> tuple[int, list[dict[str, Any]]]:
    """Run an audit; return its exit status, and its results without what each run has of its own."""
    done = subprocess.run(
        command(folder, "audit", "test_own.py", *PATIENT, *arguments),
        cwd=folder,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    assert "distributed" not in done.stdout + done.stderr
    found = [row for row in rows(folder / "results.jsonl") if row["kind"] != "summary"]
    kept = [{key: value for key, value in row.items() if key not in OF_EACH_RUN} for row in found]
    return done.returncode, sorted(kept, key=lambda row: (row["kind"], str(row.get("endpoint")), str(row.get("check"))))


@pytest.mark.usefixtures("endpoints")
def test_results_are_those_of_one_process(cluster: RunningCluster, folder: Path) -> None:
    alone = audit(folder)
    assert {row["check"] for row in alone[1] if row["kind"] == "result"} > {"own.short", "key.reuse", "cert.expired"}
    with cluster.worker(), cluster.worker():
        assert audit(folder, f"--audit-workers={cluster.url}") == alone
    assert audit(folder, "--audit-workers=dask") == alone


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--audit-workers=tcp://192.0.2.1:8786",), "everyone who can reach the scheduler can run code on it"),
        (("--audit-workers=tls://127.0.0.1:1",), "[fleet] ca is missing"),
        (("--audit-workers=dask", "-n2"), "--audit-workers with -n"),
    ],
    ids=["no-tls", "no-files", "xdist"],
)
@pytest.mark.usefixtures("endpoints")
def test_cluster_that_cannot_be_used_is_a_usage_error(folder: Path, arguments: tuple[str, ...], message: str) -> None:
    done = subprocess.run(command(folder, "audit", *arguments), cwd=folder, check=False, capture_output=True, text=True)
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert message in done.stdout + done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_no_process_stays_after_a_signal(folder: Path, number: signal.Signals) -> None:
    temporary = folder / "temporary"
    temporary.mkdir()
    with serving(hold) as server:
        lines = [f"https://n{number}.example:{server.port}/?address=127.0.0.1" for number in range(8)]
        (folder / "endpoints").write_text("\n".join(lines))
        run = subprocess.Popen(
            command(folder, "audit", "--audit-workers=dask", "--audit-timeout=60"),
            cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
            env=os.environ | {"TMPDIR": str(temporary)},
        )  # fmt: skip
        try:
            server.wait_for(1)
            assert len(processes_of(run.pid)) > 2
            run.send_signal(number)
            status = run.wait(60)
            assert status == (-number if number == signal.SIGKILL else pytest.ExitCode.INTERRUPTED)
            assert until_none(lambda: processes_of(run.pid)) == set()
        finally:
            with suppress(ProcessLookupError):
                os.killpg(run.pid, signal.SIGKILL)
            run.wait()
    assert until_none(lambda: set(temporary.iterdir())) == set()


def processes_of(session: int) -> set[int]:
    """Return the processes of a session that have not ended."""
    found = set[int]()
    for status in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has ended meanwhile
            state, _, _, of_session = status.read_text().rpartition(")")[2].split()[:4]
            if int(of_session) == session and state != "Z":
                found.add(int(status.parent.name))
    return found


def until_none(look: Callable[[], set[Found]], seconds: float = 60.0) -> set[Found]:
    """Look again until nothing is found, for so long; return what is still found."""
    deadline = time.monotonic() + seconds
    while (found := look()) and time.monotonic() < deadline:
        time.sleep(0.1)
    return found
