"""The hooks that this plugin offers to others: who began a run, and what is planned, done and said in its repair.

It imports nothing of the audit or the repair, so that a run without one does not pay for it. Any plugin or conftest.py
may implement them, with those of their arguments that it wants.
"""

from __future__ import annotations

from typing import Any

import pytest


@pytest.hookspec(firstresult=True)
def pytest_sslaudit_begun(config: pytest.Config, configuration: Any) -> Any:  # noqa: ANN401 - a specification; the types are not loaded here
    """Return a `pytest_sslaudit.settings.Begun` where it was another program than pytest that began the run.

    `configuration` is an `audit.config.Configuration`, as it was found; what is returned holds in its place.
    """


def pytest_sslaudit_planned(config: pytest.Config, plan: Any, evidence: Any) -> None:  # noqa: ANN401 - as above
    """See what will be repaired, before the first step.

    `plan` is a `remediate.model.plan.Plan`, `evidence` a `remediate.model.audit_results.AuditResults`.
    Called once in a run with `--remediate` that holds the state directory; never in a dry run.
    """


def pytest_sslaudit_stepped(config: pytest.Config, case: Any, step: Any, state: str, note: str) -> None:  # noqa: ANN401 - as above
    """See what a step of a case has become, from whichever thread: `Case` and `Step` of `remediate.model.case`."""


def pytest_sslaudit_said(config: pytest.Config, line: str, is_detail: bool) -> None:  # noqa: FBT001 - hooks are called by name
    """Hear a line about the repair, from whichever thread; a detail is for who asks for details."""
