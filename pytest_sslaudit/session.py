"""Starts an audit in a pytest run: reads the settings, registers the hooks, and has `audit` collected."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Final

import pytest

from audit.checks import check_of
from audit.config import BadConfiguration, Configuration, read_configuration
from audit.config.extensions import ExtensionKind, find_extension, find_member
from audit.evaluation.evaluate import CheckFunction
from pytest_sslaudit import fixtures
from pytest_sslaudit.activation import (
    ADDED_CHECKS,
    audit_folder,
    follow_moved_checks,
    is_full_audit,
    names_audit,
    names_tests,
)
from pytest_sslaudit.controller import Controller
from pytest_sslaudit.evidence import Exchange
from pytest_sslaudit.items.check_protocol import CheckProtocol
from pytest_sslaudit.items.collection import BuiltInCollection, Parametrize
from pytest_sslaudit.items.runtest import Judging
from pytest_sslaudit.items.selection import Selection
from pytest_sslaudit.items.shared_logins import SharedLogins
from pytest_sslaudit.items.xdist_worker import Worker, run_of_worker
from pytest_sslaudit.remediation import not_validated, register_remediation, require_valid_sections
from pytest_sslaudit.reports.html import HtmlReport
from pytest_sslaudit.reports.kept_reports import FindingsListedOnce, KeptReports
from pytest_sslaudit.reports.report_files import ReportFiles, load_reports
from pytest_sslaudit.reports.summary import Summary
from pytest_sslaudit.run_state import KEY
from pytest_sslaudit.settings import Settings, read_settings

PARTS: Final = tuple(
    f"sslaudit-{part}"
    for part in ("worker", "controller", "reports", "logins", "remediation", "summary", "listing", "kept-reports",
                 "html", "page", "fixtures", "collection", "parametrize", "selection", "judging", "protocol",
                 "waves")
)  # fmt: skip
"""The names under which the parts of an audit are registered."""


def start(config: pytest.Config) -> None:
    """Read the settings and register the hooks of an audit; raises pytest.UsageError."""
    settings = _with_validation(read_settings(config, _configuration(config)))
    follow_moved_checks(config)
    config.stash[ADDED_CHECKS] = _added_checks(settings.configuration)
    _collect_audit(config)
    manager = config.pluginmanager
    _refuse_parts_switched_off(manager)
    if hasattr(config, "workerinput"):
        given = config.workerinput["sslaudit"]
        exchange = Exchange(Path(given["exchange"]))
        config.stash[KEY] = run_of_worker(settings, given, exchange)
        manager.register(Worker(exchange), "sslaudit-worker")
        manager.register(SharedLogins.of_worker(given["sockets"]), "sslaudit-logins")
    else:
        reports = load_reports(settings.reports)
        controller = Controller(config, settings)
        manager.register(controller, "sslaudit-controller")
        if controller.results and reports:
            manager.register(ReportFiles(reports, controller.results, controller.totals), "sslaudit-reports")
        manager.register(SharedLogins(lambda: controller.hosts.connections.sockets.open_folder), "sslaudit-logins")
        register_remediation(config, controller)
        manager.register(Summary(config, controller.totals, settings.extensions), "sslaudit-summary")
        manager.register(FindingsListedOnce(), "sslaudit-listing")
        manager.register(KeptReports(config), "sslaudit-kept-reports")
        if manager.hasplugin("html"):
            config.option.self_contained_html = True  # pytest-html reads it after this: reports are mailed and archived
            manager.register(HtmlReport(controller.totals, "TLS audit", settings.policy), "sslaudit-html")
    manager.register(fixtures, "sslaudit-fixtures")
    manager.register(BuiltInCollection(), "sslaudit-collection")
    manager.register(Parametrize(), "sslaudit-parametrize")
    manager.register(Selection(), "sslaudit-selection")
    manager.register(Judging(), "sslaudit-judging")
    manager.register(CheckProtocol(config), "sslaudit-protocol")


def _configuration(config: pytest.Config) -> Configuration:
    """Return the configuration file, with the sections of the repair checked in every audit."""
    try:
        configuration = read_configuration(config.rootpath, config.option.audit_config)
        require_valid_sections(configuration)
    except BadConfiguration as error:
        raise pytest.UsageError(str(error)) from error
    return configuration


def _with_validation(settings: Settings) -> Settings:
    """Return the settings with the names that the chosen issuer has validated by HTTP; raises pytest.UsageError."""
    try:
        return replace(settings, not_validated=not_validated(settings.configuration, settings.issuer))
    except BadConfiguration as error:
        raise pytest.UsageError(str(error)) from error


def _refuse_parts_switched_off(manager: pytest.PytestPluginManager) -> None:
    for name in PARTS:
        if manager.is_blocked(name):
            raise pytest.UsageError(f"-p no:{name} switches off a part of the audit: leave it out")


def _collect_audit(config: pytest.Config) -> None:
    """Add the built-in checks if the command line names no tests to collect, and to all of them those that are added.

    A worker of xdist has the arguments of the main process already.
    """
    if not names_tests(config) and not names_audit(config, config.args):
        config.args.append(str(audit_folder()))
    if any(map(is_full_audit, config.args)):
        config.args += [str(file) for file in config.stash[ADDED_CHECKS] if str(file) not in config.args]


def _added_checks(configuration: Configuration) -> Mapping[Path, tuple[CheckFunction, ...]]:
    """Return the checks that `[extensions]` names, by the file of their module; raises pytest.UsageError."""
    place = f"{configuration.file or 'configuration'}: [extensions] checks"
    checks = dict[Path, tuple[CheckFunction, ...]]()
    try:
        for name in configuration.extensions.checks:
            extension = find_extension(ExtensionKind.CHECK, name)
            if extension is not None and extension.entry_point.module not in sys.modules:
                pytest.register_assert_rewrite(extension.entry_point.module)
            file, functions = find_member(ExtensionKind.CHECK, name, {}, _checks_of, place=place)
            checks[file] = functions
    except BadConfiguration as error:
        raise pytest.UsageError(str(error)) from error
    return checks


def _checks_of(module: object) -> tuple[Path, tuple[CheckFunction, ...]]:
    """Return the file and the checks of a module; raises TypeError if it has none."""
    file = getattr(module, "__file__", None)
    if not isinstance(module, ModuleType) or not file or hasattr(module, "__path__"):
        raise TypeError(f"{module!r} is not a module of one file (docs/extending.md)")
    functions = tuple(value for value in vars(module).values() if check_of(value) is not None)
    if not functions:
        raise TypeError(f"no function of the module {module.__name__} is marked with @check (docs/extending.md)")
    return Path(file).absolute(), functions
