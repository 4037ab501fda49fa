"""Asks CRLs and OCSP responders about what was observed, if the certificates of its path name any.

All questions about one endpoint have one deadline. Nothing that is sent raises an exception. Whether an answer can be
trusted is judged in `audit.analysis.revocation`; `audit.probe.fetch` decides which addresses may be called.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final, Protocol

from audit.analysis.revocation import (
    OFF,
    REVOKED,
    Rules,
    holds_until,
    places,
    rules_of,
    status_of_staple,
    statuses_from_responses,
    subjects,
)
from audit.analysis.served_chains import served_chains
from audit.observation import Observation, RevocationAnswer, RevocationSource
from audit.policy import Policy
from audit.probe.deadline import Deadline
from audit.probe.fetch import Fetched, Fetcher
from audit.probe.http_request import HttpRequest
from audit.x509.der import encode_oid
from audit.x509.path.served_chain import read_chain
from audit.x509.path.trust_store import Anchors
from audit.x509.raw import CRL_POINTS, OCSP
from audit.x509.revocation.ocsp import ocsp_request
from audit.x509.revocation.status import StatusSubject

_OCSP_REQUEST: Final = "application/ocsp-request"
_OIDS: Final = (encode_oid(CRL_POINTS), encode_oid(OCSP))
"""The encoded object identifiers of cRLDistributionPoints and of OCSP as an access method (RFC 5280)."""
_UNASKABLE: Final = "its serial number cannot stand in a question"


@dataclass(frozen=True, slots=True)
class Reply:
    """A response and when it was requested, or why there is none."""

    asked_at: datetime
    content: bytes | None = field(default=None, repr=False)
    failure: str = ""


class ReplyCache(Protocol):
    """Replies that outlive a run; `audit.config.revocation_cache` keeps them on disk."""

    def get(self, question: HttpRequest, at: datetime) -> Reply | None:
        """Return the reply that was kept, unless the next one is due by then."""

    def keep(self, question: HttpRequest, reply: Reply, until: datetime) -> None:
        """Keep a reply until the next one is due."""


@dataclass(frozen=True, slots=True)
class RevocationContext:
    """What fetching depends on beside the network: anchors and policy of an observation, the clock, the configuration.

    `is_wanted` returns whether a check will judge the responses. If `is_on` is false nothing is requested, and the
    answers say so.
    """

    anchors: Anchors
    policy_of: Callable[[Observation], Policy]
    clock: Callable[[], datetime]
    is_wanted: Callable[[Observation], bool] = lambda _: True
    is_on: bool = True
    at: datetime | None = None  # as of when paths are validated; None: now
    deadline_s: float = 20.0  # for all questions about one endpoint together


class RevocationFetcher:
    """What was fetched in a run: each request is sent once. Threads may ask at the same time."""

    def __init__(self, fetcher: Fetcher, context: RevocationContext, cache: ReplyCache | None = None) -> None:
        """Begin with what the cache has."""
        self._fetcher = fetcher
        self._given = context
        self._cache = cache
        self._known: dict[HttpRequest, Reply] = {}

    def place(self, observation: Observation) -> str | None:
        """Return the first server that is asked about an observation; None if there is nothing to ask."""
        if not (observation.handshakes and self._given.is_wanted(observation)):
            return None
        ders = {der for handshake in observation.every_handshake for der in handshake.chain_der}
        if not any(oid in der for der in ders for oid in _OIDS):
            return None  # most of private PKI: not worth a look at the path
        asked = ((subject.certificate, rules) for _, rules, subject in self._asked(observation))
        urls = (url for member, rules in asked for _, url in places(member, rules))
        return next(("/".join(url.split("/", 3)[:3]) for url in urls), None)

    def ask(self, observation: Observation) -> Observation:
        """Return the observation with the responses that came within the deadline of one endpoint."""
        deadline = Deadline.after(self._given.deadline_s)
        answers = (one for is_leaf, rules, subject in self._asked(observation)
                   for one in self._about(subject, (rules, deadline), observation if is_leaf else None))  # fmt: skip
        return replace(observation, revocation=tuple(answers))

    def _asked(self, observation: Observation) -> Iterator[tuple[bool, Rules, StatusSubject]]:
        """Yield the certificates of every chain that is served, each once, with the rules for them."""
        policy = self._given.policy_of(observation)
        if not policy.applies(REVOKED):
            return
        rules, found = rules_of(policy), dict[bytes, tuple[bool, Rules, StatusSubject]]()
        for served in served_chains(observation):
            chain = read_chain(served.chain_der, self._given.anchors, self._given.at or self._given.clock())
            for one in subjects(chain, policy) if chain.certificates else ():
                found.setdefault(one.certificate.der, (one.certificate.der == chain.leaf.der, rules, one))
        yield from found.values()

    def _about(
        self, subject: StatusSubject, bounds: tuple[Rules, Deadline], stapling: Observation | None
    ) -> Iterator[RevocationAnswer]:
        """Yield the answers about a certificate, until one of them can be trusted."""
        (rules, deadline), now = bounds, self._given.clock()
        came = (
            (one.ocsp_der for one in stapling.every_handshake if one.chain_der[:1] == (subject.certificate.der,))
            if stapling
            else ()
        )
        if any(status_of_staple(staple, subject, now, rules).word != "unknown" for staple in came if staple):
            return
        so_far: tuple[RevocationAnswer, ...] = ()
        for source, url in places(subject.certificate, rules):
            answer = self._answer(subject, (source, url), rules, deadline)
            so_far = (*so_far, answer)
            yield answer
            if _settles(so_far, subject, rules, now):
                return

    def _answer(
        self, subject: StatusSubject, place: tuple[RevocationSource, str], rules: Rules, deadline: Deadline
    ) -> RevocationAnswer:
        source, url = place
        asked = b"" if source == "crl" else ocsp_request(subject.certificate, subject.issuer)
        unanswered = RevocationAnswer(subject.certificate.sha256, source, url, self._given.clock(), asked or b"")
        if asked is None or not self._given.is_on:
            is_disabled = not self._given.is_on
            return replace(unanswered, failure=OFF if is_disabled else _UNASKABLE, is_disabled=is_disabled)
        question = HttpRequest(url, asked, _OCSP_REQUEST if asked else "")

        def told(reply: Reply) -> RevocationAnswer:
            return replace(unanswered, asked_at=reply.asked_at, content=reply.content, failure=reply.failure)

        def is_good(reply: Reply) -> bool:
            return _settles((told(reply),), subject, rules, self._given.clock())

        kept = self._known.get(question) or self._kept(question, is_good)
        return told(kept or self._fetched((question, deadline), subject, is_good))

    def _kept(self, question: HttpRequest, is_good: Callable[[Reply], bool]) -> Reply | None:
        """Return the response that an earlier run kept, if it is still valid."""
        reply = self._cache.get(question, self._given.clock()) if self._cache else None
        return self._known.setdefault(question, reply) if reply and is_good(reply) else None

    def _fetched(
        self, asked: tuple[HttpRequest, Deadline], subject: StatusSubject, is_good: Callable[[Reply], bool]
    ) -> Reply:  # fmt: skip
        question, deadline = asked
        if deadline.has_passed:
            limit = f"{self._given.deadline_s:g} s for the revocation of one endpoint"
            return Reply(self._given.clock(), failure=f"not asked: the {limit} were over")
        found = self._fetcher.ask(question, deadline)
        if not isinstance(found, Fetched):  # the fetcher keeps it, if another try is of no use
            return Reply(self._given.clock(), failure=found.detail)
        reply = self._known.setdefault(question, Reply(self._given.clock(), found.content))
        until = holds_until("ocsp" if question.body else "crl", found.content, subject)
        if self._cache and until and is_good(reply):
            self._cache.keep(question, reply, until)
        return reply


def _settles(answers: tuple[RevocationAnswer, ...], subject: StatusSubject, rules: Rules, now: datetime) -> bool:
    return any(said.word != "unknown" for said in statuses_from_responses(subject, answers, rules, now))
