"""The one place of the plugin that knows the repair: with `--remediate` it stands between two judgements."""

from __future__ import annotations

from pytest_sslaudit.remediation.hooks import Remediation

__all__ = ["Remediation"]
