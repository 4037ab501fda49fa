"""The solver `command`: the administrator's own programs that present a challenge and remove it.

docs/issuers.md defines their interface.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from audit.config import ConfigSection
from remediate.challenges.base import BadSolver, ChallengeDirectory, ProbeResult, ProbeSettings, SolverConfig
from remediate.challenges.self_tests import self_test
from remediate.hosts.local_command import LocalCommand, untrusted_reason
from remediate.model.authorization import Challenge


@dataclass(frozen=True, slots=True)
class CommandSolver:
    """The two programs. They get the challenge in their environment."""

    name: str
    present_arguments: tuple[str, ...]
    clean_up_arguments: tuple[str, ...]
    timeout_s: float

    def present(self, challenge: Challenge, where: ChallengeDirectory | None) -> LocalCommand:
        """Return the call of the program that presents a challenge."""
        del where
        return self._call(f"present the challenge {challenge}", self.present_arguments, challenge)

    def clean_up(self, challenge: Challenge, where: ChallengeDirectory | None) -> LocalCommand:
        """Return the call of the program that removes a challenge."""
        del where
        return self._call(f"remove the challenge {challenge}", self.clean_up_arguments, challenge)

    def location(self, challenge: Challenge, where: ChallengeDirectory | None) -> str:
        """Return the name of the solver, because only its program has the place."""
        del challenge, where
        return f"[solver.{self.name}]"

    def self_test(
        self, challenge: Challenge, addresses: Sequence[str], settings: ProbeSettings
    ) -> tuple[ProbeResult, ...]:
        """Look where a CA looks for a challenge of this type."""
        return self_test(challenge, addresses, settings)

    def _call(self, why: str, arguments: tuple[str, ...], challenge: Challenge) -> LocalCommand:
        variables = (
            ("SSLAUDIT_IDENTIFIER", challenge.identifier),
            ("SSLAUDIT_CHALLENGE_TYPE", challenge.type),
            ("SSLAUDIT_TOKEN", challenge.token),
            ("SSLAUDIT_CONTENT", challenge.content),
        )
        return LocalCommand(why, arguments, variables, timeout_s=self.timeout_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandSolverConfig(SolverConfig):
    """`[solver.NAME]` of the kind `command`."""

    present: tuple[str, ...]  # the program that presents a challenge, with its arguments
    clean_up: tuple[str, ...]  # the program that removes it, with its arguments
    timeout_s: float = 300.0  # after how many seconds it is killed

    def open(self, section: ConfigSection) -> CommandSolver:
        """Return the solver; raises BadSolver if a program is missing, or if other users can change it."""
        if self.timeout_s <= 0:
            raise BadSolver(f"timeout_s is {self.timeout_s:g}; write a number of seconds above 0")
        for key, arguments in (("present", self.present), ("clean_up", self.clean_up)):
            if reason := untrusted_reason(arguments):
                raise BadSolver(f"{key}: {reason}")
        return CommandSolver(section.key.partition(".")[2], self.present, self.clean_up, self.timeout_s)
