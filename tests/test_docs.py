"""The documents say what is so: numbers, links, options, tables, and examples that run as they stand."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

import remediate.__main__
from audit.configuration import read_configuration
from audit.endpoint import PORTS
from audit.observation import Observation
from tests import documents
from tests.audit.facts import served
from tests.plugin.evidence import NOW, A, keep

CHECKOUT: Final = documents.CHECKOUT
PAGES: Final = (
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "docs/checks.md",
    "docs/compared.md",
    "docs/paths.md",
    "docs/policies.md",
    "docs/repair.md",
)


def text(page: str) -> str:
    return (CHECKOUT / page).read_text(encoding="utf-8")


def blocks(page: str) -> list[str]:
    """Return the indented code of a page, each block without its indentation."""
    found = re.findall(r"(?:^ {4}.*\n(?:\n(?= {4}))?)+", text(page), flags=re.MULTILINE)
    return [re.sub(r"^ {4}", "", block, flags=re.MULTILINE) for block in found]


def block_with(page: str, words: str) -> str:
    (block,) = [block for block in blocks(page) if words in block]
    return block


def test_the_page_of_checks_is_what_the_checks_say() -> None:
    assert text("docs/checks.md") == documents.page(), "write it anew: python -m tests.documents"


def test_every_check_has_a_requirement_and_a_source() -> None:
    assert [mark.id for mark, function in documents.checks() if not (mark.source and function.__doc__)] == []


@pytest.mark.parametrize("page", PAGES)
def test_the_number_of_checks_is_right(page: str) -> None:
    count = str(len(list(documents.checks())))
    assert set(re.findall(r"\b(\d+) checks\b", text(page))) <= {count}


@pytest.mark.parametrize("page", PAGES)
def test_what_is_linked_is_there(page: str) -> None:
    places = re.findall(r"\]\((?!https?:)([^)#]+)\)", text(page))
    assert [place for place in places if not (CHECKOUT / page).parent.joinpath(place).exists()] == []


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_what_is_named_lies_where_it_says(page: str) -> None:
    places = re.findall(r"`((?:audit|pytest_sslaudit|remediate|tests|bench|docs)/[\w./]*)`", text(page))
    assert places
    assert [place for place in places if not (CHECKOUT / place).exists()] == []


def test_every_option_of_the_readme_is_known(pytester: pytest.Pytester) -> None:
    told = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", text("README.md")))
    known = pytester.runpytest("--help").stdout.str()
    assert {option for option in told if not re.search(rf"{option}\b", known)} == set()


def test_the_readme_knows_every_scheme_and_port() -> None:
    rows = re.findall(r"`(\w+)`(?: \([^)]+\))? \| (\d+|name it)", text("README.md"))
    assert dict(rows) == {scheme: str(port) if port else "name it" for scheme, port in PORTS.items()}


def test_the_configuration_of_a_repair_can_be_read(tmp_path: Path) -> None:
    (block,) = re.findall(r"```toml\n(.*?)```", text("docs/repair.md"), flags=re.DOTALL)
    (tmp_path / "sslaudit.toml").write_text(block)
    configuration = read_configuration(tmp_path, None)
    assert (configuration.remediate.issuer, configuration.issuer["store"].kind) == ("store", "store")
    assert configuration.service[0].docroot == "/srv/gateway/public"


def test_every_command_of_the_repair_is_known(capsys: pytest.CaptureFixture[str]) -> None:
    told = re.findall(r"python -m remediate (\w+)", text("docs/repair.md"))
    with pytest.raises(SystemExit):
        remediate.__main__.main(["--help"])
    known = capsys.readouterr().out
    assert [command for command in told if command not in known] == []


def test_the_readmes_configuration_can_be_read(tmp_path: Path) -> None:
    (tmp_path / "sslaudit.toml").write_text(block_with("README.md", 'waivers = "waivers.toml"'))
    configuration = read_configuration(tmp_path, None)
    assert configuration.hosts == ("ssh://root@web1", "ssh://root@mail")
    assert configuration.host["ssh://root@web1"].addresses == ("203.0.113.10",)


def judge(pytester: pytest.Pytester, source: str) -> pytest.RunResult:
    """Run a file of checks over one endpoint that speaks TLS 1.3 and has a certificate of `CN=Intermediate`."""
    pytester.makepyfile(test_own=source)
    keep(pytester.path / "kept", [Observation(A, NOW, ("192.0.2.7",), (served(),))])
    return pytester.runpytest("test_own.py", "--audit-from-evidence=kept")


def test_the_readmes_own_check_runs(pytester: pytest.Pytester) -> None:
    result = judge(pytester, block_with("README.md", "acme.corp-issuer"))
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*medium acme.corp-issuer: Every internal certificate comes from the corporate CA*"])


def contributed() -> str:
    """Return the file that CONTRIBUTING's diff changes, changed: what stands before a `+` is looked for in it."""
    (diff,) = re.findall(r"```diff\n(.*?)```", text("CONTRIBUTING.md"), flags=re.DOTALL)
    (file,) = re.findall(r"^\+\+\+ b/(\S+)", diff, flags=re.MULTILINE)
    changed = text(file)
    for hunk in diff.split("@@\n")[1:]:
        lines = hunk.splitlines(keepends=True)
        old, new = ("".join(line[1:] for line in lines if line[0] in kind) for kind in (" -", " +"))
        assert changed.count(old) == 1 or not old, f"{file} has changed: {old}"
        changed = changed.replace(old, new) if old else f"{changed}\n\n{new}"
    return changed


def test_the_check_of_contributing_runs_where_it_says(pytester: pytest.Pytester) -> None:
    result = judge(pytester, contributed())
    assert result.ret == pytest.ExitCode.OK
    result.assert_outcomes(passed=2)  # the check that the file had, and the new one


def test_the_picture_is_small() -> None:
    assert (CHECKOUT / "docs/report.png").stat().st_size < 300_000
