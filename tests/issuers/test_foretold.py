"""What the Store's client foretells is what it then asks, and the token is not in it."""

from __future__ import annotations

from remediate.issuers import Foretelling
from tests.issuers.clients import TOKEN, client
from tests.issuers.requests import csr, request
from tests.lab.store import Store as StrictStore


def test_what_is_foretold_is_what_is_asked_and_foretelling_asks_nothing(strict: StrictStore) -> None:
    store = client(strict)
    assert isinstance(store, Foretelling)
    asked, ordered = csr(), request()
    foretold = [store.to_find(asked), store.to_order(ordered), store.to_collect("o-1")]
    assert strict.requests == []
    store.find(asked)
    store.order(ordered)
    store.collect("o-1")
    base = strict.base_url.removesuffix("/api")
    came = [(one.method, base + one.path, one.body.decode()) for one in strict.requests]
    assert [(one.method, one.url, one.body) for one in foretold] == came
    assert TOKEN not in repr(foretold)
