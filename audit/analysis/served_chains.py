"""Groups the handshakes of an endpoint by the chain that was sent: each distinct chain is judged by itself."""

from __future__ import annotations

from dataclasses import dataclass

from audit.observation import Handshake, Observation
from audit.x509.certificate import read_certificate


@dataclass(frozen=True, slots=True)
class ServedChain:
    """One distinct chain, as DER, and the handshakes in which it was sent; there is at least one.

    `places` name each address once; the key type is added at an address that serves another chain as well.
    """

    handshakes: tuple[Handshake, ...]
    places: tuple[str, ...]

    @property
    def chain_der(self) -> tuple[bytes, ...]:
        """The certificates as sent, leaf first; empty if the server sent none."""
        return self.handshakes[0].chain_der

    @property
    def addresses(self) -> tuple[str, ...]:
        """The addresses that send it, each once."""
        return tuple(dict.fromkeys(handshake.address for handshake in self.handshakes))


def served_chains(observation: Observation) -> tuple[ServedChain, ...]:
    """Return every distinct chain of an endpoint, the one of the first handshake first."""
    by_chain: dict[tuple[bytes, ...], list[Handshake]] = {}
    for handshake in observation.every_handshake:
        by_chain.setdefault(handshake.chain_der, []).append(handshake)
    if len(by_chain) < 2:
        return tuple(ServedChain(tuple(handshakes), _addresses(handshakes)) for handshakes in by_chain.values())
    chains_at: dict[str, set[tuple[bytes, ...]]] = {}
    for handshake in observation.every_handshake:
        chains_at.setdefault(handshake.address, set()).add(handshake.chain_der)
    return tuple(
        ServedChain(
            tuple(handshakes),
            tuple(_place(address, der, is_shared=len(chains_at[address]) > 1) for address in _addresses(handshakes)),
        )
        for der, handshakes in by_chain.items()
    )


def key_type(chain_der: tuple[bytes, ...]) -> str | None:
    """Return the kind of the leaf's key, such as RSA or EC; None if it cannot be read or no certificate was sent."""
    leaf = read_certificate(chain_der[0]) if chain_der else None
    return leaf.key.kind if leaf is not None and leaf.has_readable("key") else None


def _addresses(handshakes: list[Handshake]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(handshake.address for handshake in handshakes))


def _place(address: str, chain_der: tuple[bytes, ...], *, is_shared: bool) -> str:
    kind = key_type(chain_der) if is_shared else None
    return f"{address} ({kind})" if kind else address
