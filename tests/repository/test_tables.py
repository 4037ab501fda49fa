"""A member of a table is one file and one row: its name stands nowhere else in the product."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatch
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest

from audit.services import LAYOUTS, SERVICES
from pytest_sslaudit.reports.report_files import REPORTS
from remediate.challenges import SOLVERS
from remediate.installers import INSTALLERS
from remediate.issuers import ISSUERS
from remediate.notify.channels import CHANNELS
from tests.repository.test_imports import every_source
from tests.support.checkout import CHECKOUT

SERVICE_FILES: Final = ("audit/services/{}*", "audit/services/shell/{}.sh", "remediate/installers/{}.py",
                        "remediate/hosts/shell/services/{}.sh")  # fmt: skip
OWN_FILES: Final[Mapping[str, tuple[str, ...]]] = {
    **{service.name: SERVICE_FILES for service in SERVICES},
    **dict.fromkeys(INSTALLERS, SERVICE_FILES),
    **dict.fromkeys(ISSUERS, ("remediate/issuers/{}.py", "remediate/issuers/__init__.py")),
    **dict.fromkeys(SOLVERS, ("remediate/challenges/{}.py", "remediate/challenges/__init__.py")),
    **dict.fromkeys(CHANNELS, ("remediate/notify/channels/{}*.py", "remediate/notify/channels/__init__.py")),
    **dict.fromkeys(REPORTS, ("pytest_sslaudit/reports/{}*.py", "pytest_sslaudit/reports/report_files.py")),
}
"""The files in which the name of each member may stand; `{}` is the name."""
OTHER_FILES: Final = {
    "audit/services/cpanel/*": "the panel is a member that arranges these services",
    "remediate/cpanel/*": "as above: it restarts these services",
    "audit/services/dovecot/*": "`haproxy` is a setting of its listeners",
    "audit/services/shell/dovecot.sh": "as above",
    "pytest_sslaudit/cli/narrator.py": "prints what the panel's own program says of its services and its Store",
    "pytest_sslaudit/plugin.py": "`store` is an action of argparse",
}
"""The other files that may have the names of members, with the reason."""
NOT_ONLY_MEMBERS: Final = {
    *(layout.name for layout in LAYOUTS),  # also the name of a policy, of a renewal agent and of sections of a host
    "command",  # any command
}


@pytest.mark.parametrize("name", sorted(OWN_FILES.keys() - NOT_ONLY_MEMBERS))
def test_name_of_a_member_stands_only_in_its_own_files(name: str) -> None:
    own = [pattern.format(name.replace("-", "_")) for pattern in OWN_FILES[name]]
    found = [path for path in files_with(name) if not any(fnmatch(path, pattern) for pattern in (*own, *OTHER_FILES))]
    assert found == []


def test_every_exempt_file_is_needed() -> None:
    members = OWN_FILES.keys() - NOT_ONLY_MEMBERS
    found = {path for name in members for path in files_with(name)}
    assert [pattern for pattern in OTHER_FILES if not any(fnmatch(path, pattern) for path in found)] == []


def test_scan_finds_a_name_and_leaves_out_docstrings(tmp_path: Path) -> None:
    file = tmp_path / "x.py"
    file.write_text('"""nginx"""\nif name == "nginx":\n    pass\n')
    assert list(texts_of(file)) == ["nginx"]
    assert is_in_shell("exim", "# exim is here\n[ $s = exim ]\n")
    assert not is_in_shell("exim", "# exim is here\n[ $s = exim4 ]\n")


def files_with(name: str) -> Iterator[str]:
    """Yield the source files in which a name stands as a text, and the shell files in which it is a word."""
    for file in every_source():
        if name in texts_of(file):
            yield str(file.relative_to(CHECKOUT))
    for file in _shell_files():
        if is_in_shell(name, file.read_text(encoding="utf-8")):
            yield str(file.relative_to(CHECKOUT))


def _shell_files() -> Iterable[Path]:
    return (file for top in ("audit", "remediate") for file in sorted((CHECKOUT / top).rglob("*.sh")))


@cache
def texts_of(file: Path) -> set[Any]:
    """Return the texts in a source file that are not docstrings."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    constants = (node for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in docstrings)
    return {node.value for node in constants if isinstance(node.value, str)}


def is_in_shell(name: str, text: str) -> bool:
    """Return whether a name is a word of a shell script, comments aside."""
    code = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    return re.search(rf"(?<![\w.-]){re.escape(name)}(?![\w.-])", code) is not None
