"""Prints the lowest version of each dependency that pyproject.toml allows, as constraints for pip.

A dependency without a lower bound is a list with monthly releases, and pip chooses the version.
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import Requirement

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"


def lowest_versions(pyproject: str) -> Iterator[str]:
    """Yield a constraint for each dependency of the project that has a lower bound."""
    for dependency in tomllib.loads(pyproject)["project"]["dependencies"]:
        requirement = Requirement(dependency)
        yield from (f"{requirement.name}=={bound.version}" for bound in requirement.specifier if bound.operator == ">=")


if __name__ == "__main__":
    sys.stdout.writelines(f"{line}\n" for line in lowest_versions(PYPROJECT.read_text("utf-8")))
