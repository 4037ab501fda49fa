"""The requests that the Store's client previews are those that it sends, and hold no token."""

from __future__ import annotations

from remediate.issuers import OrderRef, PreviewsRequests
from tests.support.store.clients import TOKEN, client
from tests.support.store.order_requests import csr, request
from tests.support.store.server import Store as StrictStore


def test_previewed_requests_are_those_that_are_sent(strict: StrictStore) -> None:
    store = client(strict)
    assert isinstance(store, PreviewsRequests)
    searched, ordered = csr(), request()
    previewed = [store.to_find(searched), store.to_place(ordered), store.to_fetch(OrderRef("o-1", ordered))]
    assert strict.requests == []
    store.find(searched)
    store.place(ordered)
    store.fetch(OrderRef("o-1", ordered))
    base = strict.base_url.removesuffix("/api")
    sent = [
        (sent_request.method, base + sent_request.path, sent_request.body.decode()) for sent_request in strict.requests
    ]
    assert [(action.method, action.url, action.body) for action in previewed] == sent
    assert TOKEN not in repr(previewed)
