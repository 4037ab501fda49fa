"""An exception about one endpoint, host or check is that one's result: the rest is judged, and the run returns 3."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import testinfra

from audit.endpoint import Endpoint
from audit.evaluation.facts import Facts
from audit.host.login import Host
from audit.observation import HostView, Observation
from audit.policy import Policy
from audit.probe import endpoint_probe, survey
from audit.probe.http import validation_request
from audit.probe.target import Target
from audit.services import SERVICES
from audit.verdict import Severity
from pytest_sslaudit.evidence import EvidenceStore
from pytest_sslaudit.reports import html
from tests.support.evidence import NOW, WEB1, A, B, host, keep, rows, unreachable
from tests.support.scripted_host import ANSWERED, inspect_answers, sections

CLOSED, OTHER = "https://127.0.0.1:1", "https://127.0.0.2:1"
WORKERS = pytest.mark.parametrize("workers", [(), ("-n1",)], ids=["alone", "-n1"])


def boom(*_arguments: object, **_named: object) -> Any:  # noqa: ANN401 - stands in for anything
    """Fail as a bug of ours would."""
    raise ZeroDivisionError("a bug of ours")


def audit(pytester: pytest.Pytester, *arguments: str) -> tuple[pytest.RunResult, list[dict[str, Any]]]:
    """Run an audit; return how it ended, and the rows of its results."""
    ended = pytester.runpytest("--pyargs", "audit", "--audit-results=results.jsonl", *arguments)
    return ended, rows(pytester.path / "results.jsonl")


def verdicts(found: list[dict[str, Any]], endpoint: str) -> Counter[str]:
    return Counter(row["verdict"] for row in found if row["endpoint"] == endpoint)


def assert_one_error(ended: pytest.RunResult, found: list[dict[str, Any]], endpoint: str, other: str) -> None:
    """One endpoint has one error with its trace, the other has every result that it would have had."""
    assert ended.ret == 3
    (error,) = (row for row in found if row["verdict"] == "error")
    assert (error["endpoint"], error["check"]) == (endpoint, "svc.unreachable")
    assert error["message"] == "ZeroDivisionError: a bug of ours"
    assert "in boom" in error["detail"]["trace"]
    ended.stdout.fnmatch_lines(["*in boom*", "*ZeroDivisionError: a bug of ours*"])
    assert "INTERNALERROR" not in ended.stdout.str()
    mine, others = verdicts(found, endpoint), verdicts(found, other)
    assert mine.total() == others.total() > 0
    assert not others["error"]


def only_at(endpoint_probe: str, work: Any) -> Any:  # noqa: ANN401 - any function of an endpoint
    """Return a function that fails for an endpoint of this name, and works for all others."""

    def chosen(first: Any, *rest: Any, **named: Any) -> Any:  # noqa: ANN401 - as above
        endpoint = first if isinstance(first, Endpoint) else first.endpoint
        return boom() if endpoint.name == endpoint_probe else work(first, *rest, **named)

    return chosen


@WORKERS
def test_failed_probe_is_the_error_of_its_endpoint(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, workers: tuple[str, ...]
) -> None:
    monkeypatch.setattr(survey, "probe_address", only_at("127.0.0.2", endpoint_probe.probe_address))
    ended, found = audit(pytester, f"--audit-endpoint={CLOSED}", f"--audit-endpoint={OTHER}", *workers)
    assert_one_error(ended, found, OTHER, CLOSED)


def test_failed_resolution_is_the_error_of_its_endpoint(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(survey, "resolve", boom)
    ended, found = audit(pytester, f"--audit-endpoint={CLOSED}", "--audit-endpoint=https://www.example.com")
    assert_one_error(ended, found, "https://www.example.com:443", CLOSED)


def test_every_check_reports_the_error_if_the_first_is_left_out(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(survey, "probe_address", boom)
    ended, found = audit(pytester, f"--audit-endpoint={CLOSED}", "-k", "self_signed or speaks_tls")
    assert ended.ret == 3
    assert [row["verdict"] for row in found] == ["error", "error"]


def test_failed_report_row_is_an_error_and_the_run_continues(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    def seen_chain(facts: Facts) -> None:
        if facts.endpoint == A and not facts.observation.is_blank:
            boom()

    monkeypatch.setattr(Facts, "seen_chain", property(seen_chain))
    evidence = keep(pytester.path / "evidence", [unreachable(A), unreachable(B)])
    ended, found = audit(pytester, f"--audit-from-evidence={evidence}")
    assert ended.ret == 3
    assert set(verdicts(found, str(A))) == {"error"}
    assert "error" not in verdicts(found, str(B))
    assert verdicts(found, str(A)).total() == verdicts(found, str(B)).total() > 30
    assert len(rows(pytester.path / "results.jsonl", "observation")) == 2
    assert rows(pytester.path / "results.jsonl", "summary")[0]["exit_status"] == 3


def test_failed_ruling_is_the_error_of_its_check(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    def severity_of(_: Policy, check: str, default: Severity) -> tuple[Severity, str]:
        return boom() if check == "svc.plaintext" else (default, "")

    monkeypatch.setattr(Policy, "severity_of", severity_of)
    evidence = keep(pytester.path / "evidence", [unreachable(A)])
    ended, found = audit(pytester, f"--audit-from-evidence={evidence}")
    assert ended.ret == 3
    assert [row["check"] for row in found if row["verdict"] == "error"] == ["svc.plaintext"]
    assert len(found) > 30
    ended.stdout.fnmatch_lines(["*in boom*"])


@pytest.fixture
def hosts(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Two hosts that can be logged into, each with nothing on it but what a test says."""

    def inspect(found: Any, _wishes: object, _clock: object) -> tuple[Observation, tuple[Target, ...]]:  # noqa: ANN401
        whole = Endpoint.of_host(found.label, found.hostspec)
        return Observation(whole, NOW, server=HostView(found.label, found.hostspec, "web.example")), ()

    monkeypatch.setattr("audit.host.inspect.inspect", inspect)
    return monkeypatch


HOSTS = ("--hosts=ssh://root@web1.invalid,ssh://root:secret@web2.invalid",)


@pytest.mark.parametrize("place", ["audit.host.inspect.inspect", "audit.host.discovery.hosts.hosts_of"])
def test_failed_inspection_is_the_error_of_its_host(
    pytester: pytest.Pytester, hosts: pytest.MonkeyPatch, place: str
) -> None:
    module, _, name = place.rpartition(".")
    real = getattr(import_module(module), name)  # as the fixture left it

    def chosen(one: Any, *rest: Any) -> Any:  # noqa: ANN401 - a host or its specification
        return boom() if "web2" in (one if isinstance(one, str) else one.label) else real(one, *rest)

    hosts.setattr(place, chosen)
    ended, found = audit(pytester, *HOSTS)
    assert_one_error(ended, found, "web2.invalid/", "web1.invalid/")
    assert "secret" not in ended.stdout.str() + Path("results.jsonl").read_text()


def test_failed_http_probe_is_the_error_of_its_host(pytester: pytest.Pytester, hosts: pytest.MonkeyPatch) -> None:
    def probe_host(host: Observation, *_rest: object) -> Observation:
        return boom() if host.endpoint.host == "web2.invalid" else host

    hosts.setattr(validation_request, "_probe_host", probe_host)
    ended, found = audit(pytester, *HOSTS)
    assert_one_error(ended, found, "web2.invalid/", "web1.invalid/")


def test_failed_reader_of_a_service_leaves_the_others_of_its_host(monkeypatch: pytest.MonkeyPatch) -> None:
    exim = next(row for row in SERVICES if row.name == "exim")
    monkeypatch.setattr("audit.host.inspect.SERVICES", [row for row in SERVICES if row is not exim])
    told = sections(465, 25, there="/usr/local/cpanel/version")
    without, _ = inspect_answers(told)
    object.__setattr__(exim, "read", boom)  # a frozen row of a table
    try:
        monkeypatch.setattr("audit.host.inspect.SERVICES", SERVICES)
        seen, _ = inspect_answers(told)
    finally:
        object.__setattr__(exim, "read", _READ_OF_EXIM)
    assert seen.accident is not None
    assert "in boom" in seen.accident.trace
    assert (seen.server, seen.observed_at) == (without.server, ANSWERED)


def test_failed_selection_by_certificate_leaves_the_other_services(monkeypatch: pytest.MonkeyPatch) -> None:
    exim = replace(next(row for row in SERVICES if row.name == "exim"), by_certificate=boom)
    monkeypatch.setattr("audit.host.inspect.SERVICES", [row if row.name != "exim" else exim for row in SERVICES])
    seen, targets = inspect_answers(sections(465, 25, there="/usr/local/cpanel/version"))
    assert seen.accident is not None
    assert "in boom" in seen.accident.trace
    ports = {target.endpoint.port for target in targets}
    assert ports & {465, 143, 2083} == {143, 2083}


_READ_OF_EXIM = next(row for row in SERVICES if row.name == "exim").read


def test_failed_login_of_a_test_of_the_user_is_the_error_of_that_test(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    def get_host(hostspec: str, **_options: object) -> str:
        return boom() if "web2" in hostspec else hostspec

    monkeypatch.setattr(testinfra, "get_host", get_host)
    there = [Endpoint(A.scheme, f"{one}.example", 443, host=one, hostspec=f"ssh://{one}") for one in ("web1", "web2")]
    evidence = keep(pytester.path / "evidence", [Observation(one, NOW) for one in there])
    pytester.makepyfile(test_own="def test_pair(endpoint, host): assert host.strip() == endpoint.hostspec")
    ended = pytester.runpytest("test_own.py", f"--audit-from-evidence={evidence}")
    ended.assert_outcomes(passed=1, failed=1)
    ended.stdout.fnmatch_lines(["*ZeroDivisionError: a bug of ours*"])


def test_failed_row_of_the_report_leaves_the_others(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(html, "_finding", lambda result, _report: boom() if "a.example" in result.endpoint else "fine")
    evidence = keep(pytester.path / "evidence", [unreachable(A), unreachable(B)])
    ended, found = audit(pytester, f"--audit-from-evidence={evidence}", "--html=report.html")
    assert ended.ret == 3
    assert len(found) > 60
    page = (pytester.path / "report.html").read_text()
    assert "this row could not be drawn" in page
    assert "fine" in page
    assert ended.stdout.str().count("an exception of the audit itself") == 1
    assert "INTERNALERROR" not in ended.stdout.str()


def test_host_whose_name_has_a_zone_id_has_all_its_results(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = {**sections(465), "fqdn": replace(sections()["fqdn"], text="::1%x")}
    monkeypatch.setattr(Host, "run", lambda *_arguments: dict(told))
    ended, found = audit(pytester, "--hosts=ssh://root@web1.invalid", "--audit-timeout=1")
    assert "INTERNALERROR" not in ended.stdout.str()
    assert ended.ret == 1
    assert len(rows(pytester.path / "results.jsonl", "summary")) == 1
    assert "error" not in {row["verdict"] for row in found}
    assert verdicts(found, "web1.invalid/").total() > 3


class TestZones:
    """An address with a zone id has a meaning on one machine only: it is refused by name."""

    @pytest.mark.parametrize(
        "url",
        [
            "https://[fe80::1%nope]",
            "https://[fe80::1%25nope]:443",
            "smtp://fe80::1%x",
            "https://a.example?address=fe80::1%25eth0",
            "https://a.example?sni=::1%25x",
        ],
    )
    def test_zone_id_on_the_command_line_is_a_usage_error(self, pytester: pytest.Pytester, url: str) -> None:
        ended = pytester.runpytest("--pyargs", "audit", f"--audit-endpoint={url}")
        assert ended.ret == pytest.ExitCode.USAGE_ERROR
        assert "zone id" in ended.stderr.str()

    def test_zone_id_in_a_file_is_an_unusable_line(self, pytester: pytest.Pytester) -> None:
        (pytester.path / "endpoints").write_text(f"https://[fe80::1%nope]\n{CLOSED}\n")
        ended, found = audit(pytester, "--audit-endpoints=endpoints")
        assert ended.ret == 1
        assert verdicts(found, CLOSED).total() > 30
        assert any("zone id" in row["message"] for row in found if row["endpoint"] == "run/")

    def test_zone_id_in_a_host_name_is_not_a_name(self) -> None:
        for name in ("::1%x", "fe80::1%eth0", "1.2.3.4%x", "%"):
            seen, discovery = inspect_answers({**sections(465), "fqdn": sections()["fqdn"].__class__(name)})
            assert seen.server is not None
            assert seen.server.fqdn == name
            assert {target.endpoint.name for target in discovery} <= {"server"}


def _damage(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def _change(file: Path) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text()), "connections": 7}))


def _replace(file: Path) -> None:
    file.write_bytes(EvidenceStore(file.parent).file_of(B).read_bytes())


def _replace_by_directory(file: Path) -> None:
    file.unlink()
    file.mkdir()


OTHER_SHAPES = (b"\xff\xfe", b"[]", b"null", b"{}", b"[" * 100_000, b'{"schema":1}')
SPOILING: tuple[tuple[Callable[[Path], object], str], ...] = (
    (Path.unlink, "No such file"),
    (_damage, ""),
    (_change, "has changed"),
    (_replace, "has changed"),
    (_replace_by_directory, ""),
    *((partial(Path.write_bytes, data=content), "") for content in OTHER_SHAPES),
)


@pytest.fixture
def spoiled(tmp_path_factory: pytest.TempPathFactory) -> dict[Endpoint, tuple[Path, str]]:
    """Return the spoiled files of endpoints and hosts beside whole ones, and what is said of each."""
    endpoints = [replace(A, name=f"a{number}.example") for number in range(len(SPOILING))]
    whole = [Endpoint.of_host(f"h{number}", f"ssh://root@h{number}") for number in range(len(SPOILING))]
    views = [Observation(one, NOW, server=HostView(one.host or "", one.hostspec or "", "web")) for one in whole]
    short_path = tmp_path_factory.mktemp("e")  # a message shortens a long word
    folder = keep(short_path / "evidence", [*map(unreachable, (*endpoints, B)), *views, host()])
    files = {}
    for group in (endpoints, whole):
        for endpoint, (spoil, said) in zip(group, SPOILING, strict=True):
            spoil(EvidenceStore(folder).file_of(endpoint))
            files[endpoint] = EvidenceStore(folder).file_of(endpoint), said
    return files


@WORKERS
def test_spoiled_evidence_file_makes_its_endpoint_inconclusive_by_name(
    pytester: pytest.Pytester, spoiled: dict[Endpoint, tuple[Path, str]], workers: tuple[str, ...]
) -> None:
    folder = next(iter(spoiled.values()))[0].parent
    ended, found = audit(pytester, f"--audit-from-evidence={folder}", *workers)
    assert ended.ret == 1
    assert "Traceback" not in ended.stdout.str()
    for endpoint, (file, said) in spoiled.items():
        mine = [row for row in found if row["endpoint"] == str(endpoint)]
        assert {row["verdict"] for row in mine} <= {"inconclusive", "not-applicable"}
        (first,) = (row for row in mine if row["verdict"] == "inconclusive" and "because" not in row["detail"])
        assert str(file) in first["message"]
        assert said in first["message"]
    assert verdicts(found, str(B))["fail"]
    assert verdicts(found, str(WEB1)).total() > 3
