"""What began a run: pytest itself, or a program that starts it with words of its own.

Values alone: nothing is read or started here.
"""

from __future__ import annotations

from dataclasses import dataclass

from audit.config.schema import Configuration


@dataclass(frozen=True, slots=True)
class Begun:
    """By which command a run was begun, and with which configuration.

    `again` are the program and the arguments that continue the run where the issuer is still working; none:
    `python -m remediate resume` does.
    """

    configuration: Configuration
    command: str = "pytest --remediate"
    again: tuple[str, ...] = ()
