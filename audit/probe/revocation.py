"""Fetches the CRLs and OCSP responses that the certificates of an observation name.

All requests about one endpoint have one deadline. No response raises an exception. `audit.analysis.revocation` decides
whether a response can be trusted, and `audit.probe.fetch` to which addresses a request may be sent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final, Protocol

from audit.analysis.revocation import (
    OFF,
    REVOKED,
    Rules,
    crls_at_hand,
    holds_until,
    places,
    rules_of,
    status_of_staple,
    statuses_from_responses,
    subjects,
)
from audit.analysis.served_chains import served_chains
from audit.observation import Observation, RevocationResponse, RevocationSource
from audit.policy import Policy
from audit.probe.deadline import Deadline
from audit.probe.fetch import Fetched, Fetcher
from audit.probe.http_request import HttpRequest
from audit.x509.der import encode_oid
from audit.x509.path.served_chain import read_chain
from audit.x509.path.trust_store import TrustAnchors
from audit.x509.raw import CRL_POINTS, OCSP
from audit.x509.revocation.delegates import crl_signers, responders
from audit.x509.revocation.ocsp import ocsp_request
from audit.x509.revocation.status import StatusSubject

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


class RevocationFetcher:
    """The replies of a run: each request is sent once. Threads may call it at the same time."""

    def __init__(self, fetcher: Fetcher, context: RevocationContext, cache: ReplyCache | None = None) -> None:
        """Begin with the replies of the cache."""
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
        certificates = ((subject.certificate, rules) for _, rules, subject in self._subjects(observation))
        urls = (url for member, rules in certificates for _, url in places(member, rules))
        return next(("/".join(url.split("/", 3)[:3]) for url in urls), None)

    def fetch(self, observation: Observation) -> Observation:
        """Return the observation with the responses that came within the deadline of one endpoint."""
        deadline = Deadline.after(self._context.deadline_s)
        responses = tuple(
            response
            for is_leaf, rules, subject in self._subjects(observation)
            for response in self._about(subject, (rules, deadline), observation if is_leaf else None)
        )
        return replace(observation, revocation=responses)

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
        self, subject: StatusSubject, bounds: tuple[Rules, Deadline], stapling: Observation | None
    ) -> Iterator[RevocationResponse]:
        """Yield the responses about a certificate and those who signed them, until one of them can be trusted."""
        (rules, deadline), now = bounds, self._context.clock()
        leaf = (subject.certificate.der,)
        handshakes = stapling.every_handshake if stapling else ()
        sent = (handshake.ocsp_der for handshake in handshakes if handshake.chain_der[:1] == leaf)
        staples = tuple(dict.fromkeys(filter(None, sent)))
        so_far = tuple(self._about_signers(responders(staples, subject, now, rules.tolerance), rules, deadline))
        yield from so_far
        crls = crls_at_hand(so_far)
        if any(status_of_staple(staple, subject, now, rules, crls).word != "unknown" for staple in staples):
            return
        for source, url in places(subject.certificate, rules):
            response = self._response(subject, (source, url), rules, deadline)
            signers = _SIGNERS[source]((response.content or b"",), subject, response.asked_at, rules.tolerance)
            about_signers = self._about_signers(signers, rules, deadline)
            added = (response, *(about for about in about_signers if about not in so_far))
            so_far = (*so_far, *added)
            yield from added
            if _settles(so_far, subject, rules, now):
                return

    def _about_signers(
        self, signers: Iterable[StatusSubject], rules: Rules, deadline: Deadline
    ) -> Iterator[RevocationResponse]:
        """Yield the CRLs that the certificates of signers name, each up to the first that can be trusted."""
        for signer in signers if self._context.is_on else ():
            for source, url in places(signer.certificate, rules):
                if source == "crl":
                    response = self._response(signer, (source, url), rules, deadline)
                    yield response
                    if _settles((response,), signer, rules, self._context.clock()):
                        break

    def _response(
        self, subject: StatusSubject, place: tuple[RevocationSource, str], rules: Rules, deadline: Deadline
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
            return _settles((response_from(reply),), subject, rules, self._context.clock())

        kept = self._known.get(request) or self._kept(request, is_good)
        return response_from(kept or self._fetched((request, deadline), subject, is_good))

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


def _settles(responses: tuple[RevocationResponse, ...], subject: StatusSubject, rules: Rules, now: datetime) -> bool:
    return any(status.word != "unknown" for status in statuses_from_responses(subject, responses, rules, now))
