"""The facts of one endpoint, derived from its observation: what the parameters of a check are filled with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cached_property
from typing import Final

from audit.analysis.placeholder import CERTIFICATE_MISSING
from audit.analysis.reachability import unreached
from audit.analysis.served_chains import ServedChain, served_chains
from audit.checks import Scope
from audit.endpoint import RUN, Endpoint
from audit.evaluation.run import EvaluationRun
from audit.observation import Handshake, HostView, Observation
from audit.policy import Policy, choose_policy
from audit.verdict import Inconclusive, NotApplicable
from audit.x509.certificate import Certificate
from audit.x509.loading import UnreadableField
from audit.x509.path.served_chain import Chain, read_chain


class Facts:
    """The facts of one endpoint, of one of the chains that it serves. What was not observed raises Inconclusive."""

    def __init__(self, observation: Observation, run: EvaluationRun, served: ServedChain | None = None) -> None:
        """Store the observation; each fact is derived when it is first read. Without a chain, the first one is used."""
        self.endpoint: Endpoint = observation.endpoint
        self.observation = observation
        self._run = run
        self._served = served

    @property
    def scope(self) -> Scope:
        """The scope of the facts: the run, a host or an endpoint."""
        if self.endpoint == RUN:
            return "run"
        return "host" if self.endpoint.is_host else "endpoint"

    @cached_property
    def of_each_chain(self) -> tuple[Facts, ...]:
        """The facts once for every distinct chain that an address serves; these alone if nothing was served."""
        return tuple(self._of(served) for served in self._every_served) or (self,)

    def _of(self, served: ServedChain) -> Facts:
        return self if served == self.served else Facts(self.observation, self._run, served)

    @cached_property
    def _every_served(self) -> tuple[ServedChain, ...]:
        return served_chains(self.observation)

    @cached_property
    def served(self) -> ServedChain | None:
        """The chain that is judged, and where it is served; None if nothing was served."""
        return self._served or next(iter(self._every_served), None)

    @cached_property
    def seen_chain(self) -> Chain | None:
        """The chain that is judged, with its path as of the time of the run; None if nothing was served."""
        return read_chain(self.served.chain_der, self._run.anchors, self._run.now) if self.served else None

    @cached_property
    def leaf_sha256(self) -> str | None:
        """The digest of the leaf that is judged; None without one."""
        chain = self.seen_chain
        return chain.leaf.sha256 if chain and chain.certificates else None

    @cached_property
    def leaf_not_after(self) -> datetime | None:
        """The end of its validity; None if that cannot be read, or without a leaf."""
        chain = self.seen_chain
        try:
            return chain.leaf.not_after if chain and chain.certificates else None
        except UnreadableField:
            return None

    @cached_property
    def policy(self) -> Policy:
        """The policy that applies to this endpoint, whichever of its chains is judged."""
        server, chains = self.observation.server, (facts.seen_chain for facts in self.of_each_chain)
        anchored = next((chain for chain in chains if chain and chain.is_anchored), None)
        return choose_policy(
            self._run.policy,
            is_cpanel=server is not None and server.is_cpanel,
            is_private_pki=anchored is not None and anchored.is_of_private_pki,
        )

    @property
    def handshake(self) -> Handshake:
        """The first handshake, with the chain that is judged."""
        if self.served is None:
            missing = unreached(self.observation)
            raise Inconclusive(missing.reason, because=missing.because)
        return self.served.handshakes[0]

    @property
    def chain(self) -> Chain:
        """The chain as served."""
        if self.handshake and self.seen_chain and self.seen_chain.certificates:
            return self.seen_chain
        raise Inconclusive("the server sent no certificate", because=CERTIFICATE_MISSING)

    @cached_property
    def chains(self) -> tuple[Chain, ...]:
        """Every distinct chain that an address serves."""
        return tuple(facts.chain for facts in self.of_each_chain)

    @property
    def certificate(self) -> Certificate:
        """The leaf as served."""
        return self.chain.leaf

    @property
    def server(self) -> HostView:
        """The view from inside the host."""
        if self.observation.server is None:
            raise NotApplicable("observed only from outside: its host was not logged into")
        return self.observation.server


FACTS: Final[Mapping[str, Callable[[Facts, EvaluationRun], object]]] = {
    "endpoint": lambda facts, _: facts.endpoint,
    "observation": lambda facts, _: facts.observation,
    "handshake": lambda facts, _: facts.handshake,
    "certificate": lambda facts, _: facts.certificate,
    "chain": lambda facts, _: facts.chain,
    "chains": lambda facts, _: facts.chains,
    "server": lambda facts, _: facts.server,
    "policy": lambda facts, _: facts.policy,
    "now": lambda _, run: run.now,
    "audit_run": lambda _, run: run.itself,
    "key_sharing": lambda facts, run: run.sharing_of(facts.certificate.spki_sha256),
    "has_list_of_keys": lambda _, run: run.has_list_of_keys,
    "log_list": lambda _, run: run.log_list,
}
"""What a check may name as a parameter. The plugin has a fixture of the same name for each."""

OF_ONE_CHAIN: Final = frozenset({"certificate", "chain", "key_sharing"})
"""A check that names one of these is evaluated once for every distinct chain that an endpoint serves."""
