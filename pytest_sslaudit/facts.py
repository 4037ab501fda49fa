"""What a check is given of one endpoint, worked out once from its observation."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from audit.certificate import Certificate
from audit.chain import Anchors, Chain, read_chain
from audit.checks import Inconclusive, NotApplicable
from audit.endpoint import Endpoint
from audit.observation import Handshake, HostView, Observation
from audit.placeholder import CERTIFICATE_MISSING
from audit.policy import Policy, Profile, choose_policy
from audit.reach import unreached
from pytest_sslaudit.spool import Spool


class NotObserved(RuntimeError):
    """A test wants an endpoint that was not probed: our own bug, or a run that was cut short."""


class Facts:
    """The facts of one endpoint. What was not observed raises Inconclusive when it is asked for."""

    def __init__(self, endpoint: Endpoint, observation: Observation, source: FactSource) -> None:
        """Keep the observation; nothing is parsed before it is asked for."""
        self.endpoint = endpoint
        self.observation = observation
        self._source = source

    @cached_property
    def seen_chain(self) -> Chain | None:
        """The chain of the first handshake; None where nothing was served."""
        handshakes = self.observation.handshakes
        return read_chain(handshakes[0].chain_der, self._source.anchors) if handshakes else None

    @cached_property
    def policy(self) -> Policy:
        """The policy that applies to this endpoint."""
        server = self.observation.server
        return choose_policy(
            self._source.profiles, is_cpanel=server is not None and server.is_cpanel, chain=self.seen_chain
        )

    @property
    def handshake(self) -> Handshake:
        """The first handshake."""
        if not self.observation.handshakes:
            raise unreached(self.observation)
        return self.observation.handshakes[0]

    @property
    def chain(self) -> Chain:
        """The chain as served."""
        if self.handshake and self.seen_chain and self.seen_chain.certificates:
            return self.seen_chain
        raise Inconclusive("the server sent no certificate", because=CERTIFICATE_MISSING)

    @property
    def certificate(self) -> Certificate:
        """The leaf as served."""
        return self.chain.leaf

    @property
    def server(self) -> HostView:
        """The view from inside the host."""
        if self.observation.server is None:
            raise NotApplicable("seen from outside only: its host was not logged into")
        return self.observation.server


@dataclass(frozen=True, slots=True)
class FactSource:
    """Where facts come from: the spool, the anchors and the profiles that were named."""

    spool: Spool
    anchors: Anchors
    profiles: tuple[Profile, ...]

    def facts_of(self, endpoint: Endpoint) -> Facts:
        """Read the observation of an endpoint; raises NotObserved."""
        observation = self.spool.observation(endpoint)
        if observation is None:
            raise NotObserved(f"{endpoint} was not observed in this run")
        return self.facts(observation)

    def facts(self, observation: Observation) -> Facts:
        """Return the facts of what was just observed."""
        return Facts(observation.endpoint, observation, self)
