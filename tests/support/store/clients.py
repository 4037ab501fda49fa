"""Clients of the strict Store over HTTPS, and their results."""

from __future__ import annotations

from typing import Any

from remediate.issuers import IssuerEndpoint, IssuerFault
from remediate.issuers.store import Store
from tests.support.store.server import Store as StrictStore

TOKEN = "a-secret-token-of-tests"


def client(store: StrictStore, **changes: Any) -> Store:  # noqa: ANN401 - any field
    """Return a client that trusts the Store's own CA."""
    access: dict[str, Any] = {"ca_file": str(store.ca_file), "deadline_s": 5.0, **changes}
    return Store(IssuerEndpoint(store.base_url, lambda: store.token, **access))


def fault(answer: object) -> IssuerFault:
    """Return the fault that an answer is."""
    assert isinstance(answer, IssuerFault), answer
    return answer
