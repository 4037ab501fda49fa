"""The settings of a run: options of the command line over the configuration file, and how the run was started."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, get_args

import pytest

from audit.config import (
    BadConfiguration,
    Configuration,
    profile_named,
    read_waivers,
    state_folder,
    trusted,
)
from audit.config.extensions import InstalledExtension, used_extensions
from audit.config.revocation_cache import RevocationCache
from audit.config.trust_sources import has_key_list
from audit.endpoint import BadEndpoint, Endpoint, parse_endpoint
from audit.engine import AuditSettings, RevocationSettings
from audit.evaluation.waivers import BadWaivers, Waiver
from audit.host.login import LoginLimits
from audit.json_codec import BadRecord, nearest, parse_time
from audit.observation.tls_support import DEPTHS, Depth
from audit.policy import BadProfile, Profile
from audit.probe import Limits
from audit.verdict import Severity
from audit.x509.path.trust_store import TrustAnchors
from audit.x509.transparency.log_list import LogList

LEVELS = ("low", "medium", "high", "critical")
TESTINFRA = ("connection", "ssh_config", "ssh_identity_file", "ssh_extra_args", "sudo", "sudo_user")
INVENTORY = ("ansible_inventory", "force_ansible")
Repair = Literal["no", "dry-run", "yes"]
Items = Literal["each", "endpoint", "check"]
"""What has a test of its own: each result, each endpoint with its results, or each check with its endpoints."""


@dataclass(frozen=True, slots=True)
class Invocation:
    """The command that started a run, and its configuration.

    `again` is the command line that continues the run if the issuer is still working; empty: `python -m remediate
    resume` continues it.
    """

    configuration: Configuration
    command: str = "pytest --remediate"
    again: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings: the command line, then the file, then the defaults."""

    configuration: Configuration
    hosts: tuple[str, ...]
    testinfra: dict[str, Any]
    endpoints: tuple[Endpoint, ...]
    endpoints_files: tuple[str, ...]
    policy: tuple[Profile, ...]
    trust: tuple[str, ...]
    fail_on: Severity
    inconclusive: Literal["fail", "report"]
    waivers: tuple[Waiver, ...]
    waivers_file: Path | None
    results: Path | None
    reports: Mapping[str, Path]
    evidence: Path | None
    from_evidence: Path | None
    evidence_key: Path | None
    workers: str | None
    limits: Limits
    login_limits: LoginLimits
    now: datetime | None
    state: Path
    repair: Repair
    tries_early: bool
    may_continue: bool
    issuer: str | None
    invocation: Invocation
    extensions: tuple[InstalledExtension, ...]
    items: Items = "each"
    not_validated: tuple[str, ...] | None = None  # globs of names that no repair validates by HTTP; None: all names

    def for_engine(self, anchors: TrustAnchors, log_list: LogList | None, now: datetime) -> AuditSettings:
        """Return the settings that `audit.engine` takes, with these anchors and logs, as of that instant."""
        fetch, cache = self.configuration.fetch, RevocationCache(self.state / "revocation")
        return AuditSettings(
            anchors=anchors,
            now=now,
            profiles=self.policy,
            waivers=self.waivers,
            limits=self.limits,
            revocation=RevocationSettings(fetch.revocation, fetch.allow_private, fetch.proxy, cache),
            has_list_of_keys=has_key_list(),
            log_list=log_list,
        )


def read_settings(config: pytest.Config, file: Configuration) -> Settings:
    """Return the settings of a run with this configuration file; raises pytest.UsageError."""
    given: Invocation | None = config.hook.pytest_sslaudit_invocation(config=config, configuration=file)
    invocation = given or Invocation(file)
    options = _Options(config, invocation.configuration)
    _require_use_of_evidence(options)
    waivers_file = options.path("waivers")
    policy = tuple(_profile(name, options.file) for name in options.names("policy"))
    reports = _reports(config, options.file)
    return Settings(
        configuration=options.file,
        hosts=_hosts(config) or options.file.hosts,
        testinfra={key: getattr(config.option, key, None) for key in (*TESTINFRA, *INVENTORY)},
        endpoints=_endpoints(config, options.file),
        endpoints_files=options.paths("endpoints", "endpoints_file"),
        policy=policy,
        trust=_trust(config, options.file),
        fail_on=Severity(options.choice("fail_on", LEVELS, "medium")),
        inconclusive="report" if options.choice("inconclusive", ("fail", "report"), "fail") == "report" else "fail",
        waivers=_waivers(waivers_file) if waivers_file else (),
        waivers_file=waivers_file,
        results=options.path("results"),
        reports=reports,
        evidence=options.path("evidence"),
        from_evidence=options.path("from_evidence"),
        evidence_key=options.path("evidence_key"),
        workers=options.text("workers"),
        limits=replace(_limits(config, options.file), depth=_depth(options)),
        login_limits=_login_limits(config, options.file),
        now=_now(options.text("now")),
        state=options.path("state") or state_folder(),
        repair=_repair(config, options),
        tries_early=config.option.remediate_now,
        may_continue=_may_continue(config),
        issuer=config.option.audit_issuer,
        invocation=invocation,
        extensions=_extensions(options.file, reports),
        items=_items(config, options),
    )


def _require_use_of_evidence(options: _Options) -> None:
    """Raise pytest.UsageError for options of evidence that exclude each other, or of which one has no effect."""
    given = options.option
    if given.audit_evidence and given.audit_from_evidence:
        raise pytest.UsageError("--audit-evidence and --audit-from-evidence exclude each other: use one of them")
    if given.audit_evidence_key and not (options.path("evidence") or options.path("from_evidence")):
        raise pytest.UsageError(
            "--audit-evidence-key signs or verifies evidence: name its directory with --audit-evidence or "
            "--audit-from-evidence"
        )


class _Options:
    """The options of the command line, which override the configuration file."""

    def __init__(self, config: pytest.Config, file: Configuration) -> None:
        self.option = config.option
        self.file = file

    def text(self, key: str) -> str | None:
        given: str | None = getattr(self.option, f"audit_{key}")
        return given if given is not None else getattr(self.file, key, None)

    def names(self, key: str) -> tuple[str, ...]:
        given = getattr(self.option, f"audit_{key}")
        return tuple(given) if given else tuple(getattr(self.file, key))

    def path(self, key: str) -> Path | None:
        given = getattr(self.option, f"audit_{key}")
        if given is not None:
            return Path(given).expanduser().absolute()
        written = getattr(self.file, key)
        return None if written is None else self.file.path(written)

    def paths(self, key: str, file_key: str) -> tuple[str, ...]:
        given = getattr(self.option, f"audit_{key}")
        written = getattr(self.file, file_key)
        return tuple(given) if given else () if written is None else (str(self.file.path(written)),)

    def choice(self, key: str, choices: tuple[str, ...], default: str) -> str:
        value = self.text(key) or default
        if value not in choices:
            flag = key.replace("_", "-")
            hint = nearest(value, choices)
            raise pytest.UsageError(f"--audit-{flag} {value!r}: use one of {', '.join(choices)}{hint}")
        return value


def _repair(config: pytest.Config, options: _Options) -> Repair:
    """Return whether to repair; raises UsageError with options under which the current state is not observed."""
    wants_repair = config.option.remediate or config.option.remediate_now
    if not (wants_repair or config.option.remediate_dry_run):
        return "no"
    flag = "--remediate" if wants_repair else "--remediate-dry-run"
    if config.option.remediate and config.option.remediate_dry_run:
        raise pytest.UsageError("--remediate and --remediate-dry-run exclude each other: use one of them")
    if getattr(config.option, "numprocesses", None) or hasattr(config, "workerinput"):
        raise pytest.UsageError(f"{flag} with -n: one process makes all repairs; leave out -n")
    for other, name in (("now", "--audit-now"), ("from_evidence", "--audit-from-evidence")):
        if options.text(other) is not None:
            raise pytest.UsageError(f"{flag} with {name}: only the current state is repaired; leave out {name}")
    return "dry-run" if config.option.remediate_dry_run else "yes"


def _items(config: pytest.Config, options: _Options) -> Items:
    """Return what has a test; raises UsageError with `-n`, if every process would judge every endpoint."""
    chosen = options.choice("items", get_args(Items), "each")
    if chosen == "check" and (getattr(config.option, "numprocesses", None) or hasattr(config, "workerinput")):
        raise pytest.UsageError(
            "--audit-items check with -n: one process judges a check of all endpoints; use --audit-items endpoint, or "
            "leave out -n"
        )
    items: tuple[Items, ...] = get_args(Items)
    return items[items.index(chosen)]


def _depth(options: _Options) -> Depth:
    chosen = options.choice("depth", DEPTHS, "certificate")
    return DEPTHS[DEPTHS.index(chosen)]


def _may_continue(config: pytest.Config) -> bool:
    if config.option.allow_retry and config.option.no_retry:
        raise pytest.UsageError("--allow-retry and --no-retry exclude each other: use one of them")
    return bool(config.option.allow_retry)


def _hosts(config: pytest.Config) -> tuple[str, ...]:
    given = getattr(config.option, "hosts", None)
    if given is not None:
        return tuple(host.strip() for host in given.split(",") if host.strip())
    return ("ansible://all",) if getattr(config.option, "ansible_inventory", None) else ()


def _endpoints(config: pytest.Config, file: Configuration) -> tuple[Endpoint, ...]:
    try:
        return tuple(parse_endpoint(url) for url in (config.option.audit_endpoint or file.endpoints))
    except BadEndpoint as error:
        raise pytest.UsageError(f"endpoint {error}") from error


def _reports(config: pytest.Config, file: Configuration) -> Mapping[str, Path]:
    """Return the file of each report: those of the command line, else those of the configuration."""
    given: list[str] | None = config.option.audit_report
    if not given:
        return {name: file.path(path) for name, path in file.reports.items()}
    reports = dict[str, Path]()
    for text in given:
        name, _, path = text.partition("=")
        if not (name and path):
            raise pytest.UsageError(f"--audit-report {text!r}: write NAME=FILE, such as inventory=inventory.csv")
        if name in reports:
            raise pytest.UsageError(f"--audit-report {name}: it is given twice; leave one out")
        reports[name] = Path(path).expanduser().absolute()
    return reports


def _extensions(file: Configuration, reports: Mapping[str, Path]) -> tuple[InstalledExtension, ...]:
    try:
        return used_extensions(file, reports)
    except BadConfiguration as error:
        raise pytest.UsageError(str(error)) from error


def _trust(config: pytest.Config, file: Configuration) -> tuple[str, ...]:
    given: list[str] | None = config.option.audit_trust
    return tuple(given) if given else trusted(file)


def _profile(name: str, file: Configuration) -> Profile:
    try:
        return profile_named(name, file)
    except BadProfile as error:
        raise pytest.UsageError(f"policy {error}") from error


def _waivers(file: Path) -> tuple[Waiver, ...]:
    try:
        return read_waivers(file)
    except BadWaivers as error:
        raise pytest.UsageError(str(error)) from error


def _limits(config: pytest.Config, file: Configuration) -> Limits:
    default = Limits()
    timeout = _number(config.option.audit_timeout, file.probe.timeout_s, default.timeout_s, "timeout")
    concurrency = _number(config.option.audit_concurrency, file.probe.concurrency, default.concurrency, "concurrency")
    per_address = _number(config.option.audit_per_address, file.probe.per_address, default.per_address, "per-address")
    known = {item.name: getattr(default, item.name) for item in fields(default)}
    chosen = {"concurrency": max(1, int(concurrency)), "per_address": max(1, int(per_address))}
    return Limits(**{**known, "timeout_s": timeout, "resolver": file.probe.resolver, **chosen})


def _login_limits(config: pytest.Config, file: Configuration) -> LoginLimits:
    default = LoginLimits()
    at_once = _number(config.option.audit_logins, file.login.concurrency, default.at_once, "logins")
    host_s = _number(config.option.audit_host_timeout, file.login.timeout_s, default.host_s, "host-timeout")
    return LoginLimits(max(1, int(at_once)), host_s)


def _number(given: str | None, written: float | None, default: float, flag: str) -> float:
    text = given if given is not None else written if written is not None else default
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise pytest.UsageError(f"--audit-{flag} {text!r}: it must be a number above 0")
    return number


def _now(text: str | None) -> datetime | None:
    try:
        return None if text is None else parse_time(text)
    except BadRecord as error:
        raise pytest.UsageError(f"--audit-now {error}") from error
