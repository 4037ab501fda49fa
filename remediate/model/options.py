"""The options and limits of a repair run."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import SystemRandom
from typing import Literal

from audit.config import ConfigSection, Configuration, section, subsections
from audit.policy import Profile
from audit.probe import Limits
from audit.text import matches_glob
from audit.verdict import Severity
from audit.x509.path.trust_store import TrustAnchors
from remediate.model.case import AGENT, Case, Step, StepState


@dataclass(frozen=True, slots=True, kw_only=True)
class RemediateConfig:
    """`[remediate]`: the limits of a repair run."""

    issuer: str | None = None  # the name of the section of the issuer that takes the orders
    max_cases: int = 20  # how many certificates one run repairs at most
    max_failures: int = 2  # after how many failed repairs a run stops
    # how long a switch is verified before it is taken back
    verify_timeout_s: float = field(default=60.0, metadata={"was": "proof_timeout_s"})
    issuance_timeout_s: float = 600.0  # how long a run waits for an issuer; the next one checks the same order
    # what is done about the certificate of another agent: explain it, or run that agent
    foreign: Literal["explain", "run-owner"] = "explain"
    # names whose certificates are not repaired; `*` matches any text
    exclude_names: tuple[str, ...] = field(default=(), metadata={"was": "leave_out"})
    drop_names: tuple[str, ...] = ()  # names that new certificates do not get; `*.example.com` is that wildcard alone
    replace_post_quantum_keys: bool = False  # whether a classical key may replace one
    key_encryption: Literal["keep", "drop"] | None = None  # whether a new key is encrypted if the old one is
    key_passphrase_on_host: str | None = None  # file on the hosts, for "keep"
    http_port: int = 80  # where the CA requests the file (Baseline Requirements 3.2.2.4.18); a test CA may use another


@dataclass(frozen=True, slots=True)
class Concurrency:
    """How many hosts are repaired at once, and when a run stops; `chance` returns numbers from 0 up to 1."""

    hosts_at_once: int = 8
    max_failures: int = 3
    chance: Callable[[], float] = field(default_factory=lambda: SystemRandom().random)


@dataclass(frozen=True, slots=True)
class Timeouts:
    """The timeouts of a run, in seconds.

    Verification must succeed before the host reverts the switch by itself, with time left to confirm it.
    """

    confirmation_s: int = 300
    proof_s: float = 120.0  # old workers of a busy web server still respond for a while
    taken_up_s: float = 150.0  # a test and a reload, which the host limits to 60 s each
    issuance_s: float = 600.0  # in this run; the next one checks the same order
    visible_s: float = 60.0  # until a presented challenge is on every name server (as lego waits by default)
    look_s: float = 0.25  # between two observations


OnStep = Callable[[Case, Step, StepState, str], None]
"""Called with each new state of a step, and a note."""


@dataclass(frozen=True, slots=True)
class EarlyTries:
    """The cases that are tried before the end of their own waiting time: every case, or the case of that id.

    A Retry-After of an issuer, `max_cases` and the locks hold for them too.
    """

    every_case: bool = False
    case_id: str | None = None

    def include(self, case_id: str) -> bool:
        """Return whether the waiting time of a case is lifted."""
        return self.every_case or case_id == self.case_id


@dataclass(frozen=True, slots=True)
class RunLimits:
    """The limits of a run. In `excluded_hosts` (specifications) and `excluded_names` a `*` matches any text.

    `given_up` are names that the owner does not want in a new certificate; a `*` in them is a wildcard.
    """

    max_cases: int = 20
    foreign: Literal["explain", "run-owner"] = "explain"
    excluded_hosts: tuple[str, ...] = ()
    excluded_names: tuple[str, ...] = ()
    given_up: tuple[str, ...] = ()
    max_age: timedelta = timedelta(minutes=30)  # an audit of a thousand endpoints is done in half of it
    future: timedelta = timedelta(minutes=2)  # as much as a clock may be off (ops.clock-skew: 120 s)
    can_order: bool = True  # an issuer is configured
    validates_by_file: bool = True  # its CA fetches a file from every address of each name
    is_panels_issuer: bool = False  # it is a panel's own program, which orders for the panel's services alone
    key_type: str = "ecdsa-p256"  # of the keys that are made for its orders
    replaces_post_quantum: bool = False  # by a classical key
    declared_services: frozenset[str] = frozenset()  # their own commands reload them; only root may reload the others
    lifetime: timedelta | None = None  # of the certificates that the issuer sells; None: its CA decides
    lifetime_policies: tuple[Profile, ...] = ()  # those that limit it whatever CA issues
    key_encryption: Literal["keep", "drop"] | None = None  # of a new key whose predecessor is encrypted


def matches_any(text: str, globs: Iterable[str]) -> bool:
    """Return whether a text matches one of these patterns."""
    return any(matches_glob(glob, text) for glob in globs)


def _now() -> datetime:
    return datetime.now(UTC)


def _nothing(*_: object) -> None:
    """Say nothing."""


def written_options(configuration: Configuration) -> RemediateConfig:
    """Return `[remediate]`; raises BadConfiguration."""
    table = section(configuration, "remediate")
    written = table.decode(RemediateConfig)
    if written.key_encryption == "keep" and not (written.key_passphrase_on_host or "").startswith("/"):
        raise table.bad('key_encryption = "keep" needs key_passphrase_on_host, the full path of a file on the hosts')
    return written


def chosen_issuer(configuration: Configuration, named: str | None) -> str | None:
    """Return the name of the issuer's section, which the command line may name; None if none is chosen."""
    return named or written_options(configuration).issuer


def issuer_sections(configuration: Configuration) -> Mapping[str, ConfigSection]:
    """Return the sections of the issuers by name: a panel's own program needs none."""
    panel = ConfigSection(configuration, f"issuer.{AGENT}", {"kind": AGENT})
    return {AGENT: panel, **subsections(configuration, "issuer")}


def issuer_kind(configuration: Configuration, name: str | None) -> str | None:
    """Return the kind of the issuer of that name; None if there is none, or its section does not say."""
    chosen = issuer_sections(configuration).get(name or "")
    return chosen.table.get("kind") if chosen and isinstance(chosen.table, dict) else None


@dataclass(frozen=True, slots=True)
class RunOptions:
    """A run of repairs. `issuer` is the name of its section; None: what `[remediate]` names.

    A finding from the level `fail_on` on is a reason to notify; `allow_retry` is whether a resume job may be queued.
    `log` gets detailed lines for a person, `announce` lines that are shown even in quiet runs,
    `on_step` each new state of a step; `command` is what began the run.
    """

    configuration: Configuration
    state: Path
    anchors: TrustAnchors
    command: str
    limits: Limits = field(default_factory=Limits)
    issuer: str | None = None
    profiles: tuple[Profile, ...] = ()  # that were named; none: webpki's
    fail_on: Severity = Severity.MEDIUM
    unknown_fails: bool = True  # an inconclusive check fails the run, and is a reason to notify
    allow_retry: bool = False
    early: EarlyTries = field(default_factory=EarlyTries)
    access: tuple[str, ...] = ()  # the options by which a resume job logs in to the same hosts; they hold no secret
    resume_argv: tuple[str, ...] = ()  # the program that began the run, and its arguments, where that is to continue it
    clock: Callable[[], datetime] = _now
    log: Callable[[str], None] = _nothing
    announce: Callable[[str], None] = _nothing
    on_step: OnStep = _nothing
    stop: threading.Event = field(default_factory=threading.Event)

    @property
    def written(self) -> RemediateConfig:
        """`[remediate]`; raises BadConfiguration."""
        return written_options(self.configuration)

    @property
    def issuer_name(self) -> str | None:
        """The name of the issuer's section; None if none is chosen, and then nothing can be ordered."""
        return chosen_issuer(self.configuration, self.issuer)

    @property
    def issuers(self) -> Mapping[str, ConfigSection]:
        """The sections of the issuers to choose from, by name."""
        return issuer_sections(self.configuration)

    @property
    def run_limits(self) -> RunLimits:
        """How far the run may go."""
        written = self.written
        excluded = tuple(glob for glob, host in self.configuration.host.items() if not host.remediate)
        return RunLimits(
            max_cases=written.max_cases,
            foreign=written.foreign,
            excluded_hosts=excluded,
            excluded_names=tuple(map(str.lower, written.exclude_names)),
            given_up=tuple(map(str.lower, written.drop_names)),
            can_order=self.issuer_name is not None,
            is_panels_issuer=issuer_kind(self.configuration, self.issuer_name) == AGENT,
            replaces_post_quantum=written.replace_post_quantum_keys,
            declared_services=frozenset(service.name for service in self.configuration.service),
            key_encryption=written.key_encryption,
        )

    @property
    def passphrase_file(self) -> str:
        """The file on the hosts whose passphrase encrypts new keys; empty if they are not encrypted."""
        return (self.written.key_passphrase_on_host or "") if self.written.key_encryption == "keep" else ""

    @property
    def concurrency(self) -> Concurrency:
        """How fast it may go."""
        return Concurrency(max_failures=self.written.max_failures)

    @property
    def timeouts(self) -> Timeouts:
        """How long it waits: verification ends well before the host takes the switch back by itself."""
        verify_s = self.written.verify_timeout_s
        return Timeouts(max(300, int(3 * verify_s)), verify_s, issuance_s=self.written.issuance_timeout_s)
