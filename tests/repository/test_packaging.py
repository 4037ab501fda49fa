"""The wheel: what is in it, what it says of itself, and that it works where nothing but its dependencies is.

No registry is asked: the empty environment is given links to the installed files of exactly those distributions that
the wheel's metadata asks for, and theirs in turn. The checkout and what only tests need cannot be imported there.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import venv
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import Distribution, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from audit.policy.profile_file import builtin_profiles
from pytest_sslaudit.activation import audit_folder
from tests.support.checkout import CHECKOUT
from tests.support.lowest_versions import lowest_versions

PYPROJECT = tomllib.loads((CHECKOUT / "pyproject.toml").read_text("utf-8"))["project"]
PINNED = re.compile(r"^(?P<name>\S+)==(?P<version>\S+)", re.MULTILINE)
OURS = ("audit", "pytest_sslaudit", "remediate")
LEFT_BEHIND = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info", "build", "dist")
BUILD = "import sys; from setuptools import build_meta; build_meta.build_wheel(sys.argv[1])"


@dataclass(frozen=True, slots=True)
class Installed:
    """An environment of its own with the wheel in it, and an empty folder to be in."""

    python: Path
    packages: Path
    folder: Path

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {"PATH": os.defpath, "HOME": str(self.folder)}
        command = [str(self.python), *arguments]
        return subprocess.run(
            command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False, timeout=300
        )


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Build the wheel from a copy, as a build leaves files behind; returns it, and what the build said."""
    folder = tmp_path_factory.mktemp("build")
    copy = shutil.copytree(CHECKOUT, folder / "checkout", ignore=LEFT_BEHIND, symlinks=True)
    done = subprocess.run(
        [sys.executable, "-c", BUILD, str(folder)], cwd=copy, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    (wheel,) = folder.glob("*.whl")
    return wheel, done.stdout + done.stderr


@pytest.fixture(scope="module")
def wheel(built: tuple[Path, str]) -> Path:
    return built[0]


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """Install the wheel and what it asks for into an empty environment."""
    folder = tmp_path_factory.mktemp("installed")
    venv.create(folder / "venv", symlinks=True)
    python = folder / "venv" / "bin" / "python"
    install = [sys.executable, "-m", "pip", "--python", str(python), "install", "--no-index", "--no-deps", str(wheel)]
    subprocess.run(install, check=True, capture_output=True, timeout=300)
    (packages,) = (folder / "venv").glob("lib/python*/site-packages")
    for dependency in _required_by(_metadata(packages)):
        _link(dependency, packages)
    (folder / "empty").mkdir()
    return Installed(python, packages, folder / "empty")


def _metadata(packages: Path) -> Distribution:
    (folder,) = packages.glob("pytest_sslaudit-*.dist-info")
    return Distribution.at(folder)


def _required_by(asking: Distribution) -> Iterator[Distribution]:
    """Yield what a distribution asks for without extras, each once; what is installed here has to satisfy it."""
    found: dict[str, Distribution] = {}
    waiting = [asking]
    for one in waiting:  # grows while it is walked
        for requirement in map(Requirement, one.requires or ()):
            if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
                continue
            other = distribution(requirement.name)
            assert requirement.specifier.contains(other.version), f"{requirement} against {other.version}"
            if other.name not in found:
                found[other.name] = other
                waiting.append(other)
    yield from found.values()


def _link(dependency: Distribution, packages: Path) -> None:
    tops = {file.parts[0] for file in dependency.files or () if file.parts[0] not in ("..", "__pycache__")}
    for top in tops:
        (packages / top).symlink_to(Path(str(dependency.locate_file(top))).absolute())


def test_build_has_no_warning(built: tuple[Path, str]) -> None:
    assert "Warning" not in built[1]  # the name of a class; a lower-case one says that nothing is byte-compiled


def test_wheel_has_the_checks_and_their_files_and_no_tests(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names if ".dist-info/" not in name}
    assert tops <= set(OURS)
    policies = {f"audit/policy/profiles/{name}.toml" for name in builtin_profiles()}
    others = {"audit/py.typed", "pytest_sslaudit/py.typed", "pytest_sslaudit/reports/html.css",
              "pytest_sslaudit/reports/groups.js"}  # fmt: skip
    checks = {f"audit/checks/{file.name}" for file in (audit_folder() / "checks").glob("test_*.py")}
    tables = {str(file.relative_to(CHECKOUT)) for file in (CHECKOUT / "remediate").rglob("*.sql")}
    templates = {str(file.relative_to(CHECKOUT)) for file in (CHECKOUT / "remediate").rglob("*.j2")}
    assert (len(tables) >= 2, len(templates)) == (True, 2)
    assert policies | others | checks | tables | templates <= set(names)
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)


def test_every_module_of_the_checkout_is_in_the_wheel(wheel: Path) -> None:
    modules = {str(file.relative_to(CHECKOUT)) for top in OURS for file in CHECKOUT.glob(f"{top}/**/*.py")}
    assert modules == {name for name in zipfile.ZipFile(wheel).namelist() if name.endswith(".py")}


def test_metadata_describes_the_package(installed: Installed) -> None:
    about = _metadata(installed.packages)
    metadata = about.metadata
    assert (metadata["Name"], metadata["License-Expression"], metadata["Requires-Python"]) == (
        "pytest-sslaudit",
        "MIT",
        ">=3.11",
    )
    assert "Framework :: Pytest" in metadata.get_all("Classifier", [])
    assert [(one.group, one.name, one.value) for one in about.entry_points] == [
        ("console_scripts", "checkallsslcerts", "pytest_sslaudit.cli.checkallsslcerts:main"),
        ("console_scripts", "sslaudit", "pytest_sslaudit.cli.program:main"),
        ("pytest11", "sslaudit", "pytest_sslaudit.plugin"),
    ]


def test_metadata_requires_exactly_the_imported_packages(installed: Installed) -> None:
    asked = [Requirement(text) for text in _metadata(installed.packages).requires or ()]
    assert {one.name for one in asked if one.marker is None} == {
        "certifi",
        "cryptography",
        "dnspython",
        "idna",
        "jinja2",
        "publicsuffixlist",
        "pyOpenSSL",
        "pytest",
        "pytest-html",
        "pytest-testinfra",
        "requests",
    }
    extras = ("fleet", "keys", "lint", "test")
    assert {str(one.marker) for one in asked if one.marker} == {f'extra == "{extra}"' for extra in extras}


def test_checks_are_collected_without_the_checkout(installed: Installed) -> None:
    done = installed.run(
        "-m", "pytest", "--pyargs", "audit", "--collect-only", "-q", "--audit-endpoint=https://127.0.0.1:1"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "test_certificate.py::test_not_expired[https://127.0.0.1:1]" in done.stdout
    found = installed.run("-c", "import audit, pytest_sslaudit; print(audit.__file__, pytest_sslaudit.__file__)")
    assert all(Path(file).is_relative_to(installed.packages) for file in found.stdout.split()), found.stdout
    assert installed.run("-c", "import tests").returncode != 0


def test_audit_of_a_closed_port_fails_with_its_reason(installed: Installed) -> None:
    reports = ("--audit-results=results.jsonl", "--html=report.html", "--junitxml=junit.xml")
    done = installed.run(
        "-W", "error", "-m", "pytest", "--pyargs", "audit", "--audit-endpoint=https://127.0.0.1:1", *reports
    )
    assert done.returncode == 1, done.stdout + done.stderr
    rows = [json.loads(line) for line in (installed.folder / "results.jsonl").read_text().splitlines()]
    assert [row["check"] for row in rows if row.get("verdict") == "fail"] == ["svc.unreachable"]
    assert (installed.folder / "report.html").exists()


def test_requirements_pin_a_version_that_each_dependency_allows() -> None:
    pinned = dict(PINNED.findall((CHECKOUT / ".ci" / "requirements.txt").read_text("utf-8")))
    asked = [Requirement(text) for text in (*PYPROJECT["dependencies"], *PYPROJECT["optional-dependencies"]["test"])]
    wrong = [str(one) for one in asked if pinned.get(canonicalize_name(one.name), "") not in one.specifier]
    assert wrong == [], "run `make requirements` and commit the difference"


def test_part_of_the_matrix_with_the_lowest_versions_pins_them() -> None:
    pinned = PINNED.findall((CHECKOUT / ".ci" / "lowest.txt").read_text("utf-8"))
    lowest = [Requirement(text) for text in lowest_versions((CHECKOUT / "pyproject.toml").read_text("utf-8"))]
    versions = dict(pinned)
    wrong = [str(one) for one in lowest if versions.get(canonicalize_name(one.name), "") not in one.specifier]
    assert wrong == [], "run `make requirements` and commit the difference"


def test_lowest_versions_are_the_lower_bounds_of_the_dependencies() -> None:
    assert list(lowest_versions('[project]\ndependencies = ["certifi", "idna>=3.7", "pytest>=8.4,<10"]')) == [
        "idna==3.7", "pytest==8.4",
    ]  # fmt: skip
