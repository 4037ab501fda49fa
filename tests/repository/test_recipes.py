"""The commands of the README and of the page about CI run as written; the hosts refuse the login."""

from __future__ import annotations

from typing import Final

import pytest

from tests.repository.test_docs import shell_commands
from tests.support.failing_logins import Programs, programs  # noqa: F401 - a fixture

PAGES: Final = ("README.md", "docs/ci.md")
RECIPES: Final = [words[1:] for page, words in shell_commands("pytest") if page in PAGES]


def test_pages_have_recipes() -> None:
    assert len(RECIPES) >= 7


@pytest.mark.parametrize("arguments", RECIPES, ids=" ".join)
def test_recipe_runs_as_written(
    pytester: pytest.Pytester,
    programs: Programs,  # noqa: F811 - the fixture
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
) -> None:
    programs.add("ssh", "echo 'ssh: connect to host web1 port 22: Connection refused' >&2", "exit 255")
    monkeypatch.setenv("XDG_STATE_HOME", str(pytester.path / "state"))
    (pytester.path / "endpoints.txt").write_text("https://127.0.0.1:9\n")
    result = pytester.runpytest(*arguments)
    assert result.ret == pytest.ExitCode.TESTS_FAILED, result.stderr.str()
    assert "Traceback" not in result.stdout.str() + result.stderr.str()
    result.stdout.re_match_lines([".*= sslaudit =", r".* (svc\.unreachable|dns\.unresolvable)\b"])
    files = [word.partition("=")[2] for word in arguments if word.startswith(("--html=", "--junit-xml="))]
    assert [file for file in files if not (pytester.path / file).is_file()] == []
