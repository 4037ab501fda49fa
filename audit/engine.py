"""Audits endpoints without pytest: observes them, evaluates checks over what was seen, and yields the results.

It gives the verdicts that `pytest --pyargs audit` gives. It logs into no host and reads no file: the caller passes
targets, trust anchors and policies, and the observations of hosts if there are any.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final

from audit.analysis.revocation.judgement import REVOKED
from audit.checks import built_in_checks, check_ids, check_of
from audit.endpoint import RUN, Endpoint
from audit.evaluation.evaluate import CheckFunction, evaluate
from audit.evaluation.facts import Facts
from audit.evaluation.key_index import KeyIndex, SharingOf
from audit.evaluation.result import Result
from audit.evaluation.run import AuditRun, EvaluationRun
from audit.evaluation.waivers import Waiver, expired_waivers, stale_waivers
from audit.observation import Accident, Observation
from audit.policy import Policy, Profile, require_checks
from audit.probe import Further, Limits, RevocationFetcher, Slots, Target, observe
from audit.probe.http.fetch import Fetcher, FetchPolicy
from audit.probe.revocation import ReplyCache, RevocationContext
from audit.probe.thread_pool import Turn
from audit.verdict import Verdict
from audit.x509.path.trust_store import TrustAnchors
from audit.x509.transparency.log_list import LogList

__all__ = ["AuditSettings", "EndpointAudit", "RevocationSettings", "audit", "built_in_checks"]

_FETCH_DEADLINES: Final = 3
"""The deadline of one URL, in deadlines of a probe: the largest CRLs have some ten million bytes."""


@dataclass(frozen=True, slots=True)
class RevocationSettings:
    """Whether and how CRLs and OCSP responses are fetched; by default only from public addresses, without a proxy."""

    is_on: bool = True
    allow_private: bool = False
    proxy: str | None = None
    cache: ReplyCache | None = None


@dataclass(frozen=True, slots=True)
class AuditSettings:
    """The inputs of an audit.

    `now` is the time at which certificates are judged; None: the start of the audit. `profiles` are the policies
    for every endpoint; without one, the trust anchor or the host of an endpoint decides. `has_list_of_keys` says that
    this machine has the list of compromised keys that badkeys reads. SCTs are verified against `log_list`.
    """

    anchors: TrustAnchors
    now: datetime | None = None
    profiles: tuple[Profile, ...] = ()
    waivers: tuple[Waiver, ...] = ()
    limits: Limits = field(default_factory=Limits)
    revocation: RevocationSettings = field(default_factory=RevocationSettings)
    has_list_of_keys: bool = False
    log_list: LogList | None = None


@dataclass(frozen=True, slots=True)
class EndpointAudit:
    """What was seen of one endpoint, or of a host as a whole, and the result of every check."""

    endpoint: Endpoint
    observation: Observation
    results: tuple[Result, ...]


def make_run(settings: AuditSettings, sharing_of: SharingOf, own: Collection[str] | None = None) -> EvaluationRun:
    """Return the values that every check of an audit with these settings is evaluated with; raises BadProfile.

    `own` are the ids of checks that are not built in, if they are known.
    """
    for profile in settings.profiles:
        require_checks(profile, check_ids(), own)
    return EvaluationRun(
        now=settings.now or _now(),
        anchors=settings.anchors,
        policy=Policy(settings.profiles, is_named=True) if settings.profiles else None,
        waivers=settings.waivers,
        sharing_of=sharing_of,
        has_list_of_keys=settings.has_list_of_keys,
        log_list=settings.log_list,
    )


@dataclass(frozen=True, slots=True)
class Observer:
    """Observes endpoints on the network, with the revocation of the certificates that they serve."""

    limits: Limits
    revocation_fetcher: RevocationFetcher
    stop: threading.Event
    slots: Slots | None = None

    @property
    def turn(self) -> Turn:
        """The right to compute while this observes."""
        return self.revocation_fetcher.turn

    def observe(
        self,
        targets: Sequence[Target],
        report: Callable[[Observation], None],
        further: Further = lambda _: None,
    ) -> None:
        """Report an observation of each target as it is made; none of those not begun when `stop` is set.

        The targets that `further` returns meanwhile are observed too.
        """
        observe(
            targets,
            self.limits,
            clock=_now,
            report=report,
            stop=self.stop,
            revocation=self.revocation_fetcher,
            slots=self.slots,
            further=further,
        )


def make_observer(
    run: EvaluationRun,
    settings: AuditSettings,
    is_wanted: Callable[[Observation], bool],
    stop: threading.Event,
    *,
    slots: Slots | None = None,
) -> Observer:
    """Return the observer of an audit; `is_wanted` returns whether the revocation of that endpoint is judged.

    Other processes of the run share the limit per address by `slots`.
    """
    limits, revocation = settings.limits, settings.revocation
    policy = FetchPolicy(
        allow_private=revocation.allow_private,
        proxy=revocation.proxy,
        deadline_s=_FETCH_DEADLINES * limits.timeout_s,
        limits=limits,
    )
    context = RevocationContext(
        anchors=run.anchors,
        policy_of=lambda observation: Facts(observation, run).policy,
        clock=_now,
        is_wanted=is_wanted,
        is_on=revocation.is_on,
        at=run.now,
    )
    return Observer(limits, RevocationFetcher(Fetcher(policy, stop), context, revocation.cache), stop, slots)


def audit(
    targets: Iterable[Target],
    settings: AuditSettings,
    checks: Iterable[CheckFunction] | None = None,
    *,
    observed: Iterable[Observation] = (),
    stop: threading.Event | None = None,
) -> Iterator[EndpointAudit]:
    """Observe all targets, then yield the audit of each endpoint; without `checks`, by all built-in checks.

    `observed` are observations that exist already, of hosts or of an earlier run: they are judged as they are, and come
    first. Everything is observed before the first endpoint is judged, because `key.reuse` compares the keys of all of
    them. With waivers, the last audit is that of the run itself: `ops.waiver-stale` compares them with all findings.
    Once `stop` is set, endpoints that were not observed yet are left out.
    """
    functions, keys = tuple(built_in_checks() if checks is None else checks), KeyIndex()
    own = {check.id for function in functions if (check := check_of(function))}
    run = make_run(settings, keys.sharing, own)
    is_revocation_judged = any(check.id == REVOKED for function in functions if (check := check_of(function)))
    observer = make_observer(run, settings, lambda _: is_revocation_judged, stop or threading.Event())
    seen = (*observed, *_observed(tuple(targets), observer))
    yield from _judged([_indexed(keys, observation) for observation in seen], functions, run)


def _observed(targets: tuple[Target, ...], observer: Observer) -> tuple[Observation, ...]:
    """Return the observations in the order of their targets."""
    observations = dict[Endpoint, Observation]()

    def keep(observation: Observation) -> None:
        observations[observation.endpoint] = observation

    observer.observe(targets, keep)
    return tuple(observations[target.endpoint] for target in targets if target.endpoint in observations)


def _judged(
    observations: Iterable[Observation], functions: tuple[CheckFunction, ...], run: EvaluationRun
) -> Iterator[EndpointAudit]:
    waived = set[tuple[str, str]]()
    for observation in observations:
        audited = _audited(observation, functions, run)
        waived.update((result.check, result.endpoint) for result in audited.results if result.verdict is Verdict.WAIVED)
        yield audited
    if run.waivers:
        stale = stale_waivers(run.waivers, waived, run.now, check_ids())
        itself = AuditRun((), expired_waivers(run.waivers, run.now), stale)
        yield _audited(Observation(RUN, run.now), functions, replace(run, itself=itself))


def _audited(observation: Observation, functions: tuple[CheckFunction, ...], run: EvaluationRun) -> EndpointAudit:
    results = evaluate(functions, Facts(observation, run), run)
    return EndpointAudit(observation.endpoint, observation, tuple(results))


def _indexed(keys: KeyIndex, observation: Observation) -> Observation:
    """Add the keys of an endpoint to the index; an exception is an accident of that endpoint."""
    try:
        keys.add(observation)
    except Exception as error:  # noqa: BLE001 - the boundary of one endpoint: the others are still judged
        return replace(observation, accident=observation.accident or Accident.of(error))
    return observation


def _now() -> datetime:
    return datetime.now(UTC)
