"""The settings of a run: options of the command line over the configuration file, and how the run was begun."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import pytest

from audit.config import (
    Configuration,
    profile_named,
    read_waivers,
    state_folder,
    trusted,
)
from audit.config.revocation_cache import AnswerCache
from audit.config.trust_sources import has_key_list
from audit.endpoint import BadEndpoint, Endpoint, parse_endpoint
from audit.engine import AuditSettings, RevocationSettings, probe_limits
from audit.evaluation.waivers import BadWaivers, Waiver
from audit.json_codec import BadRecord, parse_time
from audit.policy import BadProfile, Profile
from audit.probe import Limits
from audit.verdict import Severity
from audit.x509.path.trust_store import Anchors

LEVELS = ("low", "medium", "high", "critical")
TESTINFRA = ("connection", "ssh_config", "ssh_identity_file", "ssh_extra_args", "sudo", "sudo_user")
INVENTORY = ("ansible_inventory", "force_ansible")
Repair = Literal["no", "dry-run", "yes"]


@dataclass(frozen=True, slots=True)
class Begun:
    """By which command a run was begun, and with which configuration.

    `again` are the program and the arguments that continue the run where the issuer is still working; none:
    `python -m remediate resume` does.
    """

    configuration: Configuration
    command: str = "pytest --remediate"
    again: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Settings:
    """All that was asked for: the command line, then the file, then the defaults."""

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
    evidence: Path | None
    from_evidence: Path | None
    limits: Limits
    now: datetime | None
    state: Path
    repair: Repair
    may_continue: bool
    issuer: str | None
    begun: Begun

    def for_engine(self, anchors: Anchors, now: datetime) -> AuditSettings:
        """Return the part that `audit.engine` takes, with these trust anchors, as of that instant."""
        fetch, cache = self.configuration.fetch, AnswerCache(self.state / "revocation")
        return AuditSettings(
            anchors=anchors,
            now=now,
            profiles=self.policy,
            waivers=self.waivers,
            limits=self.limits,
            revocation=RevocationSettings(fetch.revocation, fetch.allow_private, fetch.proxy, cache),
            has_list_of_keys=has_key_list(),
        )


def read_settings(config: pytest.Config, file: Configuration) -> Settings:
    """Return the settings of a run with this configuration file; raises pytest.UsageError."""
    begun: Begun = config.hook.pytest_sslaudit_begun(config=config, configuration=file) or Begun(file)
    asked = _Asked(config, begun.configuration)
    waivers_file = asked.path("waivers")
    policy = tuple(_profile(name, asked.file) for name in asked.names("policy"))
    return Settings(
        configuration=asked.file,
        hosts=_hosts(config) or asked.file.hosts,
        testinfra={key: getattr(config.option, key, None) for key in (*TESTINFRA, *INVENTORY)},
        endpoints=_endpoints(config, asked.file),
        endpoints_files=asked.paths("endpoints", "endpoints_file"),
        policy=policy,
        trust=_trust(config, asked.file),
        fail_on=Severity(asked.choice("fail_on", LEVELS, "medium")),
        inconclusive="report" if asked.choice("inconclusive", ("fail", "report"), "fail") == "report" else "fail",
        waivers=_waivers(waivers_file) if waivers_file else (),
        waivers_file=waivers_file,
        results=asked.path("results"),
        evidence=asked.path("evidence"),
        from_evidence=asked.path("from_evidence"),
        limits=probe_limits(_limits(config, asked.file), policy),
        now=_now(asked.text("now")),
        state=asked.path("state") or state_folder(),
        repair=_repair(config, asked),
        may_continue=_may_continue(config),
        issuer=config.option.audit_issuer,
        begun=begun,
    )


class _Asked:
    """The command line above the configuration file."""

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
            raise pytest.UsageError(f"--audit-{flag} {value!r}: one of {', '.join(choices)} is needed")
        return value


def _repair(config: pytest.Config, asked: _Asked) -> Repair:
    """Return whether is repaired; raises UsageError beside options that leave it nothing to be sure of."""
    wanted = config.option.remediate or config.option.remediate_dry_run
    if not wanted:
        return "no"
    flag = "--remediate" if config.option.remediate else "--remediate-dry-run"
    if config.option.remediate and config.option.remediate_dry_run:
        raise pytest.UsageError("--remediate and --remediate-dry-run: one of both")
    if getattr(config.option, "numprocesses", None) or hasattr(config, "workerinput"):
        raise pytest.UsageError(f"{flag} with -n: repairs are made by one process; leave out -n")
    for other, name in (("now", "--audit-now"), ("from_evidence", "--audit-from-evidence")):
        if asked.text(other) is not None:
            raise pytest.UsageError(f"{flag} with {name}: only what is so now is repaired; leave out {name}")
    return "yes" if config.option.remediate else "dry-run"


def _may_continue(config: pytest.Config) -> bool:
    if config.option.allow_retry and config.option.no_retry:
        raise pytest.UsageError("--allow-retry and --no-retry: one of both")
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


def _number(given: str | None, written: float | None, default: float, flag: str) -> float:
    text = given if given is not None else written if written is not None else default
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise pytest.UsageError(f"--audit-{flag} {text!r}: a number above 0 is needed")
    return number


def _now(text: str | None) -> datetime | None:
    try:
        return None if text is None else parse_time(text)
    except BadRecord as error:
        raise pytest.UsageError(f"--audit-now {error}") from error
