"""Members of other distributions: they are used by name, named with their version, and else never imported."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from audit.observation import Observation
from tests.support.distributions import Distribution, documented
from tests.support.endpoint_facts import served
from tests.support.evidence import NOW, A, B, keep, rows

AUDIT: Final = ("--pyargs", "audit", "--audit-from-evidence=kept", "--audit-results=results.jsonl")
OWN: Final = "acme.corp-issuer"
CHECKS: Final = '[extensions]\nchecks = ["acme-corp"]\n'
BOOM: Final = "raise RuntimeError('imported')\n"


@pytest.fixture
def site(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a directory of `sys.path`, of this process and of its children, beside evidence of two endpoints."""
    folder = pytester.mkdir("site")
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("PYTHONPATH", str(folder))
    keep(pytester.path / "kept", [Observation(one, NOW, ("192.0.2.7",), (served(),)) for one in (A, B)])
    return folder


def configure(pytester: pytest.Pytester, text: str) -> None:
    """Write the configuration file."""
    pytester.path.joinpath("sslaudit.toml").write_text(text)


def verdicts(pytester: pytest.Pytester, check: str = OWN) -> list[tuple[str, str]]:
    """Return the endpoints and verdicts of a check."""
    found = [row for row in rows(pytester.path / "results.jsonl") if row["check"] == check]
    return sorted((row["endpoint"], row["verdict"]) for row in found)


@pytest.mark.parametrize("workers", [(), ("-n1",)], ids=["one process", "xdist"])
def test_extension_check_is_judged_for_each_endpoint(
    pytester: pytest.Pytester, site: Path, workers: tuple[str, ...]
) -> None:
    documented().unpack(site)
    configure(pytester, CHECKS)
    run = pytester.runpytest_subprocess if workers else pytester.runpytest  # workers look in PYTHONPATH alone
    result = run(*AUDIT, f"--audit-check={OWN}", *workers)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert verdicts(pytester) == [(str(A), "fail"), (str(B), "fail")]
    result.stdout.fnmatch_lines(["sslaudit extension: check acme-corp (acme-sslaudit 1.2)"])


def test_extension_check_runs_beside_all_built_in_checks(pytester: pytest.Pytester, site: Path) -> None:
    documented().unpack(site)
    configure(pytester, CHECKS)
    pytester.runpytest(*AUDIT, "-q", "--html=report.html")
    assert {row["check"] for row in rows(pytester.path / "results.jsonl")} > {OWN, "cert.expired"}
    page = pytester.path.joinpath("report.html").read_text()
    assert "extension: check acme-corp (acme-sslaudit 1.2)" in page
    assert OWN in page
    (head,) = rows(pytester.path / "results.jsonl", "run")
    row = {"kind": "check", "name": "acme-corp", "distribution": "acme-sslaudit", "version": "1.2"}
    assert head["extensions"] == [row]


def test_extension_check_gets_the_facts_despite_a_fixture_of_the_suite(pytester: pytest.Pytester, site: Path) -> None:
    documented().unpack(site)
    configure(pytester, CHECKS)
    pytester.makeconftest("import pytest\n@pytest.fixture\ndef certificate(): return None\n")
    pytester.makeini("[pytest]\npython_files = other_*.py\npython_functions = other_*\n")
    pytester.runpytest(*AUDIT, f"--audit-check={OWN}")
    assert verdicts(pytester) == [(str(A), "fail"), (str(B), "fail")]


def test_single_test_of_the_command_line_runs_without_extension_checks(pytester: pytest.Pytester, site: Path) -> None:
    documented().unpack(site)
    configure(pytester, CHECKS)
    pytester.runpytest("--pyargs", "audit.checks.test_protocol", *AUDIT[2:])
    assert verdicts(pytester) == []
    assert verdicts(pytester, "tls.old-protocol") != []


def test_left_out_extension_check_fails_the_run(pytester: pytest.Pytester, site: Path) -> None:
    documented().unpack(site)
    configure(pytester, CHECKS)
    pytester.makeini("[pytest]\naddopts = -k 'not corporate'\n")
    result = pytester.runpytest(*AUDIT)
    result.stdout.fnmatch_lines([f"the audit is incomplete: there is no result of the check {OWN} for *"])


def test_installed_but_unused_extensions_are_never_imported(pytester: pytest.Pytester, site: Path) -> None:
    names = ("checks", "services", "issuers", "solvers", "installers", "channels", "reports")
    Distribution(
        "boom", files={"boom.py": BOOM}, entry_points=tuple((group, f"boom-{group}", "boom:X") for group in names)
    ).unpack(site)
    documented().unpack(site)
    configure(pytester, CHECKS)
    result = pytester.runpytest(*AUDIT, f"--audit-check={OWN}")
    assert "boom" not in result.stdout.str() + result.stderr.str()
    assert verdicts(pytester) == [(str(A), "fail"), (str(B), "fail")]


@pytest.mark.parametrize(
    ("configuration", "arguments"),
    [('[reports]\nacme-inventory = "inventory.txt"\n', ()), ("", ("--audit-report=acme-inventory=inventory.txt",))],
    ids=["configuration", "command line"],
)
def test_report_is_written_from_the_rows_of_the_results(
    pytester: pytest.Pytester, site: Path, configuration: str, arguments: tuple[str, ...]
) -> None:
    documented().unpack(site)
    configure(pytester, configuration)
    result = pytester.runpytest("--pyargs", "audit", "--audit-from-evidence=kept", *arguments)
    lines = pytester.path.joinpath("inventory.txt").read_text().splitlines()
    assert [line.split()[0] for line in lines] == [str(A), str(B)]
    result.stdout.fnmatch_lines(["sslaudit extension: report acme-inventory (acme-sslaudit 1.2)"])
    assert sorted(file.name for file in pytester.path.iterdir() if "jsonl" in file.name) == []


def test_exception_in_a_report_is_shown_and_sets_the_exit_status(pytester: pytest.Pytester, site: Path) -> None:
    code = "def broken(rows):\n    raise LookupError('no such column')\n"
    Distribution("acme", files={"acme.py": code}, entry_points=(("reports", "broken", "acme:broken"),)).unpack(site)
    result = pytester.runpytest(*AUDIT, "--audit-report=broken=a.txt", "--audit-report=csv=b.csv")
    assert result.ret == 3
    result.stdout.fnmatch_lines(["report broken, *a.txt: *", "*LookupError: no such column"])
    assert pytester.path.joinpath("b.csv").read_text().startswith("endpoint,host,")


@pytest.mark.usefixtures("site")
def test_reports_are_made_of_compressed_results(pytester: pytest.Pytester) -> None:
    pytester.runpytest(*AUDIT, "--audit-check=svc.*", "--audit-report=csv=plain.csv")
    pytester.runpytest(
        *AUDIT, "--audit-check=svc.*", "--audit-report=csv=packed.csv", "--audit-results=results.jsonl.gz"
    )
    assert rows(pytester.path / "results.jsonl.gz", "summary")
    assert pytester.path.joinpath("packed.csv").read_text() == pytester.path.joinpath("plain.csv").read_text()


def test_built_in_report_neutralizes_formulas(pytester: pytest.Pytester, site: Path) -> None:
    code = 'from audit import check\n@check("x.a", severity="low", source="=A1()")\ndef test_a(endpoint): assert 0\n'
    del site
    pytester.makepyfile(test_own=code)
    pytester.runpytest("test_own.py", "--audit-from-evidence=kept", "--audit-report=csv=out.csv")
    text = pytester.path.joinpath("out.csv").read_text()
    assert ",'=A1()," in text
    assert ",=A1" not in text


NOTHING: Final = Distribution("acme")
ONE: Final = "acme 1.0 (acme)"
BROKEN: Final = Distribution("acme", files={"acme.py": BOOM}, entry_points=(("checks", "acme-corp", "acme"),))
EXITS: Final = Distribution(
    "acme", files={"acme.py": "import sys; sys.exit(0)"}, entry_points=(("checks", "acme-corp", "acme"),)
)
SKIPS: Final = Distribution(
    "acme",
    files={"acme.py": "import pytest; pytest.skip('no', allow_module_level=True)"},
    entry_points=(("checks", "acme-corp", "acme"),),
)
MISSING: Final = Distribution("acme", entry_points=(("checks", "acme-corp", "acme"),))
EMPTY: Final = Distribution("acme", files={"acme.py": ""}, entry_points=(("checks", "acme-corp", "acme"),))
NOT_A_MODULE: Final = Distribution(
    "acme", files={"acme.py": "X = 1"}, entry_points=(("checks", "acme-corp", "acme:X"),)
)
NOT_A_SERVICE: Final = Distribution(
    "acme", files={"acme.py": "X = 1"}, entry_points=(("services", "gateway", "acme:X"),)
)
REPORT: Final = Distribution("acme", files={"acme.py": "X = 1"}, entry_points=(("reports", "sheet", "acme:X"),))
OWN_CSV: Final = Distribution("acme", files={"acme.py": BOOM}, entry_points=(("reports", "csv", "acme:X"),))
LOG: Final = documented()
NOT_A_CHANNEL: Final = Distribution("acme", files={"acme.py": "X = int"}, entry_points=(("channels", "log", "acme:X"),))
FIX: Final = "Install a version of acme that works, or remove 'acme-corp' from the configuration."


@pytest.mark.parametrize(
    ("installed", "configuration", "message"),
    [
        (NOTHING, CHECKS, "[extensions] checks: no check has the name 'acme-corp'; none is installed."),
        (
            Distribution("acme", files={"acme.py": ""}, entry_points=(("checks", "acme-corps", "acme"),)),
            CHECKS,
            "[extensions] checks: no check has the name 'acme-corp'; known are acme-corps; did you mean 'acme-corps'?",
        ),
        (
            BROKEN,
            CHECKS,
            f"'acme-corp' of {ONE} cannot be imported: RuntimeError: imported (acme.py, line 1). {FIX}",
        ),
        (EXITS, CHECKS, f"'acme-corp' of {ONE} cannot be imported: SystemExit: 0 (acme.py, line 1). {FIX}"),
        (SKIPS, CHECKS, f"'acme-corp' of {ONE} cannot be imported: Skipped: no"),
        (MISSING, CHECKS, f"'acme-corp' of {ONE} cannot be imported: ModuleNotFoundError: No module named 'acme'"),
        (EMPTY, CHECKS, f"'acme-corp' of {ONE}: no function of the module acme is marked with @check"),
        (NOT_A_MODULE, CHECKS, "'acme-corp' of acme 1.0 (acme:X): 1 is not a module of one file"),
        (NOT_A_SERVICE, '[extensions]\nservices = ["gateway"]\n', "int is not an instance of Service"),
        (REPORT, '[reports]\nsheet = "a.txt"\n', "'sheet' of acme 1.0 (acme:X): int is not a function"),
        (OWN_CSV, '[reports]\ncsv = "a.csv"\n', "acme 1.0 provides 'csv' (pytest_sslaudit.reports), which is built in"),
        (LOG, '[notify.x]\nkind = "acme-log"\nfile = 3\n', "[notify.x]: file: 3 is not a text"),
        (LOG, '[notify.x]\nkind = "acme-log"\nflie = "a"\n', "unknown key 'flie'; did you mean 'file'?"),
        (
            LOG,
            '[notify.x]\nkind = "acme-lag"\n',
            "[notify.x]: no channel has the name 'acme-lag'; known are acme-log, we",
        ),
        (NOT_A_CHANNEL, '[notify.x]\nkind = "log"\n', "is not a subclass of ChannelConfig"),
        (NOTHING, '[extensions]\nservices = ["nginx"]\n', "'nginx' is built in and always looked for."),
        (NOTHING, '[extensions]\nservice = ["nginx"]\n', "extensions: unknown key 'service'; did you mean 'services'?"),
    ],
)
def test_unusable_extension_is_a_usage_error_that_names_it(
    pytester: pytest.Pytester, site: Path, installed: Distribution, configuration: str, message: str
) -> None:
    installed.unpack(site)
    configure(pytester, configuration)
    result = pytester.runpytest("--pyargs", "audit", "--hosts=local://")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert message in result.stderr.str()
    assert "Traceback" not in result.stdout.str() + result.stderr.str()


def test_two_distributions_of_one_name_are_both_named(pytester: pytest.Pytester, site: Path) -> None:
    for number in (1, 2):
        name = f"acme{number}"
        Distribution(name, files={f"{name}.py": BOOM}, entry_points=(("checks", "acme-corp", name),)).unpack(site)
    configure(pytester, CHECKS)
    result = pytester.runpytest(*AUDIT)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    message = (
        "pytest_sslaudit.checks: 'acme-corp' is provided by acme1 1.0 and acme2 1.0. Uninstall all of them but one."
    )
    assert message in result.stderr.str()


def test_extension_channel_gets_the_notification(pytester: pytest.Pytester, site: Path) -> None:
    documented().unpack(site)
    configure(pytester, '[notify.log]\nkind = "acme-log"\nfile = "notices.log"\n')
    arguments = ("--pyargs", "audit", "--audit-endpoint=https://127.0.0.1:1", "--audit-state=state", "--remediate")
    result = pytester.runpytest(*arguments)
    result.stdout.fnmatch_lines(["sslaudit extension: channel acme-log (acme-sslaudit 1.2)", "notification * sent*"])
    text = pytester.path.joinpath("notices.log").read_text()
    assert text.startswith("failed https://127.0.0.1:1 svc.unreachable: ")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (("csv",), "--audit-report 'csv': write NAME=FILE"),
        (("csv=a", "csv=b"), "--audit-report csv: it is given twice"),
        (("csv=no/such/../../",), "--audit-report csv"),
        (("cvs=a",), "--audit-report cvs: no report has the name 'cvs'; known are csv; did you mean 'csv'?"),
    ],
)
def test_wrong_report_option_is_a_usage_error(
    pytester: pytest.Pytester, site: Path, given: tuple[str, ...], message: str
) -> None:
    del site
    result = pytester.runpytest(*AUDIT, *(f"--audit-report={text}" for text in given))
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert message in result.stderr.str()


def test_check_with_the_id_of_a_built_in_one_is_a_usage_error(pytester: pytest.Pytester, site: Path) -> None:
    code = 'from audit import check\n@check("cert.expired", severity="low")\ndef test_a(endpoint): pass\n'
    Distribution("acme", files={"acme.py": code}, entry_points=(("checks", "acme-corp", "acme"),)).unpack(site)
    configure(pytester, CHECKS)
    result = pytester.runpytest(*AUDIT)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "two checks have the id 'cert.expired'" in result.stderr.str()
