"""The hooks of every pytest run: the options, and the start of an audit if one is requested.

Without an audit this module imports nothing of it, and the run does not change.
"""

from __future__ import annotations

from typing import Final

import pytest

from pytest_sslaudit import hookspecs
from pytest_sslaudit.activation import is_requested, require_own_packages

PREFIX: Final = "audit_"
OPTIONS: Final[tuple[tuple[str, str | None, bool, str], ...]] = (
    # flag, metavar, repeatable, help
    ("endpoint", "URL", True, "audit this endpoint from outside: https://h, tls://h:port, smtp://h, imaps://h, …"),
    ("endpoints", "FILE", True, "the same, one per line; # comments; - for standard input"),
    ("trust", "SOURCE", True, "trust anchors: mozilla (default), system, or a PEM file"),
    ("policy", "NAME", True, "policy profile, applied to every endpoint; the strictest of several applies"),
    ("fail-on", "LEVEL", False, "lowest severity that fails the run: low, medium (default), high, critical"),
    ("inconclusive", "MODE", False, "what an inconclusive verdict does: fail (default) or report"),
    ("waivers", "FILE", False, "TOML file of [[waiver]] tables: check, endpoint, reason, owner, expires"),
    (
        "results",
        "FILE",
        False,
        "write the results to this file, one JSON object per line; compressed if its name ends in .gz",
    ),
    ("report", "NAME=FILE", True, "write a report of an installed distribution to this file (docs/extending.md)"),
    ("evidence", "DIR", False, "store the observations in this directory"),
    ("from-evidence", "DIR", False, "judge the observations stored in this directory, without network"),
    (
        "evidence-key",
        "FILE",
        False,
        "Ed25519 key in PEM that signs --audit-evidence, or verifies --audit-from-evidence",
    ),
    ("timeout", "S", False, "deadline of one probe in seconds (default 10)"),
    ("concurrency", "N", False, "probes at the same time (default 64)"),
    ("per-address", "N", False, "connections to one address at the same time (default 2)"),
    ("logins", "N", False, "hosts that are logged into and inspected at the same time (default 16)"),
    ("host-timeout", "S", False, "deadline of one host's login and inspection in seconds (default 60)"),
    (
        "depth",
        "DEPTH",
        False,
        "how much of the TLS configuration is requested: certificate (default), standard, or full",
    ),
    (
        "workers",
        "N",
        False,
        "probe and judge in N processes, one on each core (auto), or on a cluster: dask, tls://HOST:8786",
    ),
    ("now", "TIME", False, "judge as of this instant (RFC 3339)"),
    ("state", "DIR", False, "directory of the state that outlives a run (default: the user's state directory)"),
    ("issuer", "NAME", False, "issuer that takes the orders: [issuer.NAME] of the configuration"),
    ("items", "WHAT", False, "what has a test: each result (each, default), endpoint, or check"),
    ("check", "GLOB", True, "only the checks with a matching id, such as cert.*"),
    ("config", "FILE", False, "the configuration file (default: sslaudit.toml, or [tool.sslaudit] in pyproject.toml)"),
)

SWITCHES: Final = (
    ("remediate", "after the audit, repair the findings that can be repaired, and judge those endpoints again"),
    ("remediate-now", "as --remediate, without the waiting time after failed repairs; a Retry-After still counts"),
    ("remediate-dry-run", "print what --remediate would do, and change nothing anywhere"),
    ("allow-retry", "if the issuer is still working, queue one continuation in an hour (atd)"),
    ("no-retry", "never queue a continuation"),
)
NAMES: Final = tuple(
    [PREFIX + flag.replace("-", "_") for flag, *_ in OPTIONS] + [flag.replace("-", "_") for flag, _ in SWITCHES]
)
"""Their names in `config.option`."""


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Offer the hooks of `pytest_sslaudit.hookspecs`."""
    pluginmanager.add_hookspecs(hookspecs)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of the group `sslaudit`."""
    group = parser.getgroup("sslaudit", "sslaudit: audit TLS endpoints and certificates")
    for name, (flag, metavar, repeatable, text) in zip(NAMES, OPTIONS, strict=False):
        action = "append" if repeatable else "store"
        group.addoption(f"--audit-{flag}", action=action, dest=name, metavar=metavar, default=None, help=text)
    for flag, text in SWITCHES:
        group.addoption(f"--{flag}", action="store_true", help=text)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Register the marker of the audit's tests, and start an audit if one is requested."""
    config.addinivalue_line("markers", "sslaudit: a test of the TLS audit, for one endpoint, one host or the run")
    if not is_requested(config, NAMES):
        return
    require_own_packages()
    from pytest_sslaudit.session import start  # noqa: PLC0415 - a run without an audit must not load it

    start(config)
