"""Deploys versions of certificates on hosts. To add a kind of deployment, add a file here and a row in the table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from remediate.cpanel.panel import Panel
from remediate.deployment import cpanel, replace
from remediate.deployment.base import Deployment, NotDeployable

DEPLOYMENTS: Final[tuple[Callable[[Panel | None], Deployment | None], ...]] = (cpanel.on_host, replace.on_host)
"""Each row returns its deployment for a host, given the panel of the host; None if the host does not have it.

The first deployment that locates the files of a certificate deploys them.
"""

__all__ = ["DEPLOYMENTS", "Deployment", "NotDeployable"]
