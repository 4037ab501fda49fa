"""The hooks that this plugin offers to others: how a run was started, and the plan, steps and messages of its repair.

This module imports nothing of the audit or the repair, so that a run without one does not load them. A plugin or
conftest.py may implement each hook with a part of its arguments.
"""

from __future__ import annotations

from typing import Any

import pytest


@pytest.hookspec(firstresult=True)
def pytest_sslaudit_invocation(config: pytest.Config, configuration: Any) -> Any:  # noqa: ANN401 - a specification; the types are not loaded here
    """Return a `pytest_sslaudit.settings.Invocation` if another program than pytest started the run.

    `configuration` is the `audit.config.Configuration` that was found; the configuration that is returned replaces it.
    """


def pytest_sslaudit_plan(config: pytest.Config, plan: Any, evidence: Any) -> None:  # noqa: ANN401 - as above
    """Receive the plan of the repair, before the first step.

    `plan` is a `remediate.model.plan.Plan`, `evidence` a `remediate.model.audit_results.AuditResults`.
    Called once in a run with `--remediate` that holds the lock of the state directory; not in a dry run.
    """


def pytest_sslaudit_step(config: pytest.Config, case: Any, step: Any, state: str, note: str) -> None:  # noqa: ANN401 - as above
    """Receive the new state of a step, from any thread: `Case` and `Step` of `remediate.model.case`."""


def pytest_sslaudit_message(config: pytest.Config, line: str, is_detail: bool) -> None:  # noqa: FBT001 - hooks are called by name
    """Receive a line about the repair, from any thread; a detail is for the log and for `--verbose`."""
