"""The solvers: a table of one row each. A new one is one file beside this and one row here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from audit.config import ConfigSection
from audit.config.extensions import ExtensionKind, decode_kind
from remediate.challenges.base import (
    BadSolver,
    ChallengeDirectory,
    HttpHop,
    ProbeResult,
    ProbeSettings,
    Solver,
    SolverAction,
    SolverConfig,
    Verdict,
)
from remediate.challenges.command import CommandSolverConfig
from remediate.challenges.http_csr_hash import HttpCsrHash
from remediate.challenges.self_tests import SELF_TESTS, self_test
from remediate.hosts.command import Command
from remediate.hosts.local_command import LocalCommand
from remediate.model.authorization import Challenge

SOLVERS: Final[Mapping[str, type[SolverConfig]]] = {
    "command": CommandSolverConfig,
}
"""The settings of a solver's section, which open the solver, by the `kind` of the section.

`HttpCsrHash` needs no section: it solves the challenges that are known before an order is placed.
"""


def read_solver(section: ConfigSection) -> SolverConfig:
    """Return the decoded section `[solver.NAME]`; raises BadConfiguration."""
    return decode_kind(section, ExtensionKind.SOLVER, SOLVERS, SolverConfig)


__all__ = [
    "SELF_TESTS",
    "SOLVERS",
    "BadSolver",
    "Challenge",
    "ChallengeDirectory",
    "Command",
    "HttpCsrHash",
    "HttpHop",
    "LocalCommand",
    "ProbeResult",
    "ProbeSettings",
    "Solver",
    "SolverAction",
    "SolverConfig",
    "Verdict",
    "read_solver",
    "self_test",
]
