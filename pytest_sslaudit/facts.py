"""What a check is given of one endpoint, worked out once from its observation."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from audit.analysis.placeholder import CERTIFICATE_MISSING
from audit.analysis.reachability import unreached
from audit.analysis.served_chains import ServedChain, served_chains
from audit.endpoint import Endpoint
from audit.observation import Accident, Handshake, HostView, Observation
from audit.policy import Policy, Profile, choose_policy
from audit.verdict import Inconclusive, NotApplicable
from audit.x509.certificate import Certificate
from audit.x509.path.served_chain import Anchors, Chain, read_chain
from pytest_sslaudit.evidence import BadEvidence, Spool


class Facts:
    """The facts of one endpoint, of one of the chains that it serves. What was not observed raises Inconclusive."""

    def __init__(
        self, endpoint: Endpoint, observation: Observation, source: FactSource, served: ServedChain | None = None
    ) -> None:
        """Keep the observation; nothing is parsed before it is asked for. The first chain is meant if none is given."""
        self.endpoint = endpoint
        self.observation = observation
        self._source = source
        self._served = served

    @cached_property
    def of_each_chain(self) -> tuple[Facts, ...]:
        """The facts once for every distinct chain that an address serves; these alone if nothing was served."""
        return tuple(self._of(served) for served in self._every_served) or (self,)

    def _of(self, served: ServedChain) -> Facts:
        return self if served == self.served else Facts(self.endpoint, self.observation, self._source, served)

    @cached_property
    def _every_served(self) -> tuple[ServedChain, ...]:
        return served_chains(self.observation)

    @cached_property
    def served(self) -> ServedChain | None:
        """The chain that is judged, and where it is served; None if nothing was served."""
        return self._served or next(iter(self._every_served), None)

    @cached_property
    def seen_chain(self) -> Chain | None:
        """The chain that is judged; None if nothing was served."""
        return self._source.chain(self.served) if self.served else None

    @cached_property
    def policy(self) -> Policy:
        """The policy that applies to this endpoint, whichever of its chains is judged."""
        server, chains = self.observation.server, (facts.seen_chain for facts in self.of_each_chain)
        anchored = next((chain for chain in chains if chain and chain.is_anchored), None)
        return choose_policy(
            self._source.profiles,
            is_cpanel=server is not None and server.is_cpanel,
            is_private_pki=anchored is not None and anchored.is_of_private_pki,
        )

    @property
    def handshake(self) -> Handshake:
        """The first handshake, with the chain that is judged."""
        if self.served is None:
            raise unreached(self.observation)
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
            raise NotApplicable("seen from outside only: its host was not logged into")
        return self.observation.server


@dataclass(frozen=True, slots=True)
class FactSource:
    """Where facts come from: the spool, the anchors, the profiles that were named, and the time to judge as of."""

    spool: Spool
    anchors: Anchors
    profiles: tuple[Profile, ...]
    now: datetime
    is_kept: bool = False  # the spool is the evidence of an earlier run

    def chain(self, served: ServedChain) -> Chain:
        """Return a chain as it was served, with its path as of the time."""
        return read_chain(served.chain_der, self.anchors, self.now)

    def facts_of(self, endpoint: Endpoint) -> Facts:
        """Read the observation of an endpoint; one that cannot be read, or is missing, is an accident."""
        try:
            observation = self.spool.observation(endpoint)
        except BadEvidence as error:
            return self.facts(self._blank(endpoint, Accident(str(error))))
        except Exception as error:  # noqa: BLE001 - the boundary of one endpoint: the others are still judged
            return self.facts(self._blank(endpoint, Accident.of(error)))
        return self.facts(observation or self._blank(endpoint, self._unobserved(endpoint)))

    def _blank(self, endpoint: Endpoint, accident: Accident) -> Observation:
        return Observation(endpoint, self.spool.manifest().started, accident=accident)

    def _unobserved(self, endpoint: Endpoint) -> Accident:
        if self.is_kept:
            return Accident(f"evidence {self.spool.file_of(endpoint)}: No such file or directory")
        text = f"{endpoint} was not observed in this run"
        return Accident(text, text)

    def facts(self, observation: Observation) -> Facts:
        """Return the facts of what was just observed."""
        return Facts(observation.endpoint, observation, self)
