"""Fetches the CRLs and OCSP responses that the certificates of an observation name.

All requests about one endpoint have one deadline. No response raises an exception. Whether a response can
be trusted is decided in `audit.analysis.revocation.responses`, and to which addresses a request may be sent in
`audit.probe.http.fetch`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final, Protocol

from audit.analysis.revocation.judgement import OFF, REVOKED, subjects
from audit.analysis.revocation.responses import (
    Rules,
    StatusEvidence,
    holds_until,
    may_judge,
    needs_status,
    places,
    rules_of,
    staples_of,
    status_of_staple,
    statuses_from_responses,
)
from audit.analysis.served_chains import served_chains
from audit.observation import Observation, RevocationResponse, RevocationSource
from audit.policy import Policy
from audit.probe.deadline import Deadline
from audit.probe.http.fetch import Fetched, Fetcher
from audit.probe.http.request import HttpRequest
from audit.probe.thread_pool import Turn
from audit.x509.der import encode_oid
from audit.x509.path.served_chain import read_chain
from audit.x509.path.trust_store import TrustAnchors
from audit.x509.raw import CRL_POINTS, OCSP
from audit.x509.revocation.basis import StatusBasis, StatusSubject
from audit.x509.revocation.delegates import crl_signers, responders
from audit.x509.revocation.ocsp import ocsp_request

_OCSP_REQUEST: Final = "application/ocsp-request"
_OIDS: Final = (encode_oid(CRL_POINTS), encode_oid(OCSP))
"""The encoded object identifiers of cRLDistributionPoints and of OCSP as an access method (RFC 5280)."""
_SIGNERS: Final = {"crl": crl_signers, "ocsp": responders}
_NO_REQUEST: Final = "its serial number cannot be encoded in a request"


@dataclass(frozen=True, slots=True)
class Reply:
    """A response and the time of its request, or why there is no response."""

    asked_at: datetime
    content: bytes | None = field(default=None, repr=False)
    failure: str = ""


class ReplyCache(Protocol):
    """Replies that are kept between runs; `audit.config.revocation_cache` keeps them on disk."""

    def get(self, request: HttpRequest, at: datetime) -> Reply | None:
        """Return the kept reply, unless the next one is due by then."""

    def keep(self, request: HttpRequest, reply: Reply, until: datetime) -> None:
        """Keep a reply until the next one is due."""

    def alone(self, request: HttpRequest, deadline: Deadline) -> AbstractContextManager[None]:
        """Wait while another process sends the request, at most until the deadline."""
        ...


@dataclass(frozen=True, slots=True)
class RevocationContext:
    """The inputs of fetching: the trust anchors, the policy of an observation, the clock and the configuration.

    `is_wanted` returns whether a check will judge the responses. If `is_on` is false, nothing is requested, and
    the responses are marked as disabled.
    """

    anchors: TrustAnchors
    policy_of: Callable[[Observation], Policy]
    clock: Callable[[], datetime]
    is_wanted: Callable[[Observation], bool] = lambda _: True
    is_on: bool = True
    at: datetime | None = None  # the time for which paths are validated; None: now
    deadline_s: float = 20.0  # for all requests about one endpoint together


class _UnknownResponse(Exception):
    """A request would have to be sent."""


class RevocationFetcher:
    """The replies of a run: each request is sent once. Threads may call it at the same time."""

    def __init__(self, fetcher: Fetcher, context: RevocationContext, cache: ReplyCache | None = None) -> None:
        """Begin with the replies of the cache. The threads that fetch compute when they have the `turn`."""
        self.turn = Turn()
        self._fetcher = fetcher
        self._context = context
        self._cache = cache
        self._known: dict[HttpRequest, Reply] = {}

    def place(self, observation: Observation) -> str | None:
        """Return the first server to which a request about an observation goes; None if no request is needed."""
        if not (observation.handshakes and self._context.is_wanted(observation)):
            return None
        ders = {der for handshake in observation.every_handshake for der in handshake.chain_der}
        if not any(oid in der for der in ders for oid in _OIDS):
            return None  # true of most private PKI, so no path is built
        asked_about = (
            (rules, about)
            for is_leaf, rules, subject in self._subjects(observation)
            for about in (subject, *self._responders(subject, rules, observation if is_leaf else None))
        )
        urls = (url for rules, subject in asked_about for _, url in places(subject.certificate, rules))
        return next(("/".join(url.split("/", 3)[:3]) for url in urls), None)

    def _responders(self, leaf: StatusSubject, rules: Rules, stapling: Observation | None) -> Iterator[StatusSubject]:
        """Yield the delegated responders that signed the stapled responses about a certificate."""
        staples = staples_of(leaf.certificate, stapling) if stapling else ()
        return responders(staples, leaf, StatusBasis(self._context.clock(), rules.tolerance))

    def fetch(self, observation: Observation) -> Observation:
        """Return the observation with the responses that came within the deadline of one endpoint."""
        with self.turn:
            responses = self._responses(observation, Deadline.after(self._context.deadline_s))
        return replace(observation, revocation=responses)

    def with_known(self, observation: Observation) -> Observation | None:
        """Return the observation with its responses if the run has all of them; None if a request has to be sent."""
        try:
            return replace(observation, revocation=self._responses(observation, None))
        except _UnknownResponse:
            return None

    def _responses(self, observation: Observation, deadline: Deadline | None) -> tuple[RevocationResponse, ...]:
        """Return all responses; without a deadline no request is sent, and it raises _UnknownResponse instead."""
        return tuple(
            response
            for is_leaf, rules, subject in self._subjects(observation)
            for response in self._about(subject, (rules, deadline), observation if is_leaf else None)
        )

    def _subjects(self, observation: Observation) -> Iterator[tuple[bool, Rules, StatusSubject]]:
        """Yield the certificates of every chain that is served, each once, with the rules for them."""
        policy = self._context.policy_of(observation)
        if not policy.applies(REVOKED):
            return
        by_certificate = dict[bytes, tuple[bool, Rules, StatusSubject]]()
        for served in served_chains(observation):
            chain = read_chain(served.chain_der, self._context.anchors, self._context.at or self._context.clock())
            for subject in subjects(chain, policy) if chain.certificates else ():
                der = subject.certificate.der
                by_certificate.setdefault(der, (der == chain.leaf.der, rules_of(policy, chain), subject))
        yield from by_certificate.values()

    def _about(
        self, subject: StatusSubject, bounds: tuple[Rules, Deadline | None], stapling: Observation | None
    ) -> Iterator[RevocationResponse]:
        """Yield the responses about a certificate and those who signed them, until one of them can be trusted."""
        (rules, deadline), now = bounds, self._context.clock()
        signers = self._responders(subject, rules, stapling)
        evidence = StatusEvidence((), rules, now)
        evidence = replace(evidence, responses=tuple(self._about_signers(signers, evidence, deadline)))
        staples = staples_of(subject.certificate, stapling) if stapling else ()
        yield from evidence.responses
        statuses = (status_of_staple(staple, subject, evidence, now) for staple in staples)
        if not any(status.word != "unknown" for status in statuses):
            yield from self._from_places(subject, evidence, deadline)

    def _from_places(
        self, subject: StatusSubject, evidence: StatusEvidence, deadline: Deadline | None
    ) -> Iterator[RevocationResponse]:
        """Yield further responses from the places that a certificate names, up to the first that can be trusted."""
        for source, url in places(subject.certificate, evidence.rules):
            response = self._response(subject, (source, url), evidence.rules, deadline)
            basis = StatusBasis(response.asked_at, evidence.rules.tolerance)
            signers = _SIGNERS[source]((response.content or b"",), subject, basis)
            known = replace(evidence, responses=(*evidence.responses, response))
            added = (response, *self._about_signers(signers, known, deadline))
            yield from added
            evidence = replace(evidence, responses=(*evidence.responses, *added))
            if _settles(subject, evidence):
                return

    def _about_signers(
        self, signers: Iterable[StatusSubject], evidence: StatusEvidence, deadline: Deadline | None
    ) -> Iterator[RevocationResponse]:
        """Yield the responses about the certificates of signers that need a status and have none yet."""
        for signer in signers:
            if needs_status(signer, evidence) and may_judge(signer, evidence) and not evidence.about(signer):
                signed = replace(evidence, signers=(*evidence.signers, signer.certificate))
                added = tuple(self._from_places(signer, signed, deadline))
                yield from added
                evidence = replace(evidence, responses=(*evidence.responses, *added))

    def _response(
        self, subject: StatusSubject, place: tuple[RevocationSource, str], rules: Rules, deadline: Deadline | None
    ) -> RevocationResponse:
        source, url = place
        body = b"" if source == "crl" else ocsp_request(subject.certificate, subject.issuer)
        pending = RevocationResponse(subject.certificate.sha256, source, url, self._context.clock(), body or b"")
        if body is None or not self._context.is_on:
            is_disabled = not self._context.is_on
            return replace(pending, failure=OFF if is_disabled else _NO_REQUEST, is_disabled=is_disabled)
        request = HttpRequest(url, body, _OCSP_REQUEST if body else "")

        def response_from(reply: Reply) -> RevocationResponse:
            return replace(pending, asked_at=reply.asked_at, content=reply.content, failure=reply.failure)

        def is_good(reply: Reply) -> bool:
            alone = StatusEvidence((response_from(reply),), rules, self._context.clock(), are_signers_judged=False)
            return _settles(subject, alone)

        kept = self._known.get(request) or self._kept(request, is_good)
        if kept is None:
            if deadline is None:
                raise _UnknownResponse
            with self.turn.lent(), self._cache.alone(request, deadline) if self._cache else nullcontext():
                kept = self._kept(request, is_good) or self._fetched((request, deadline), subject, is_good)
        return response_from(kept)

    def _kept(self, request: HttpRequest, is_good: Callable[[Reply], bool]) -> Reply | None:
        """Return the response that an earlier run kept, if it is still valid."""
        reply = self._cache.get(request, self._context.clock()) if self._cache else None
        return self._known.setdefault(request, reply) if reply and is_good(reply) else None

    def _fetched(
        self, bounded_request: tuple[HttpRequest, Deadline], subject: StatusSubject, is_good: Callable[[Reply], bool]
    ) -> Reply:  # fmt: skip
        request, deadline = bounded_request
        if deadline.has_passed:
            limit = f"limit of {self._context.deadline_s:g} s for the revocation of one endpoint"
            return Reply(self._context.clock(), failure=f"not fetched: the {limit} is over")
        fetched = self._fetcher.fetch(request, deadline)
        if not isinstance(fetched, Fetched):  # the fetcher keeps it if another try is useless
            return Reply(self._context.clock(), failure=fetched.detail)
        reply = self._known.setdefault(request, Reply(self._context.clock(), fetched.content))
        until = holds_until("ocsp" if request.body else "crl", fetched.content, subject)
        if self._cache and until and is_good(reply):
            self._cache.keep(request, reply, until)
        return reply


def _settles(subject: StatusSubject, evidence: StatusEvidence) -> bool:
    return any(status.word != "unknown" for status in statuses_from_responses(subject, evidence))
