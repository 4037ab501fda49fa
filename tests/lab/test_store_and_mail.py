"""What stands beside the lab's services: a Store that looks for itself, a mail server, a website with the CAs."""

from __future__ import annotations

import email
import json
import smtplib
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import urlopen

import pytest
from cryptography import x509

from audit.config import Configuration, read_configuration, section, subsections
from remediate.issuers import Issuer, IssuerEndpoint, Order, OrderRef, OrderRequest
from remediate.issuers.store import Store, StoreConfig
from tests.lab.description import Lab
from tests.lab.lab import running
from tests.support.http.websites import challenge_of
from tests.support.store.order_requests import request


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with running(tmp_path_factory.mktemp("lab")) as served:
        yield served


@pytest.fixture(scope="module")
def configuration(lab: Lab) -> Configuration:
    return read_configuration(Path(lab.trust).parent, None)


@pytest.fixture(scope="module")
def store(configuration: Configuration) -> Issuer:
    table = subsections(configuration, "issuer")["store"]
    store = table.decode(StoreConfig)
    return Store(IssuerEndpoint(store.base_url, table.secret("token", store.token), deadline_s=10))


def collected(store: Issuer, order: OrderRequest) -> Order:
    """Place an order and ask for it once: then the Store looks for the proof."""
    placed = store.place(order)
    assert isinstance(placed, Order)
    answer = store.fetch(OrderRef(placed.id, order))
    assert isinstance(answer, Order)
    return answer


def test_store_issues_nothing_without_a_token(lab: Lab, store: Issuer) -> None:
    order = collected(store, request("expired.lab.test"))
    assert order.status == "pending"
    assert "HTTP 404" in order.message
    ordered = [json.loads(line) for line in Path(lab.store_orders).read_text().splitlines()]
    assert [one["names"] for one in ordered] == [["expired.lab.test"]]


def test_store_issues_for_names_with_a_valid_token(lab: Lab, store: Issuer, configuration: Configuration) -> None:
    wanted = request("wrong-name.lab.test", "other-wrong-name.lab.test")
    docroot, challenge = Path(str(configuration.service[0].docroot)), challenge_of(wanted)
    proof = docroot / challenge.path.lstrip("/")
    proof.parent.mkdir(parents=True)
    proof.write_text(f"{challenge.body}\n")
    order = collected(store, wanted)
    assert order.status == "valid"
    leaf, issuer = (
        x509.load_pem_x509_certificate(str(pem).encode())
        for pem in (order.issued[0].certificate_pem, order.issued[0].ca_bundle_pem)
    )
    leaf.verify_directly_issued_by(issuer)
    issuer.verify_directly_issued_by(x509.load_pem_x509_certificate(Path(lab.trust).read_bytes()))


def test_store_finds_no_token_for_a_name_without_an_address(store: Issuer) -> None:
    order = collected(store, request("nxdomain.lab.test"))
    assert (order.status, "nxdomain.lab.test: no address" in order.message) == ("pending", True)


def test_each_email_is_stored_as_a_file(lab: Lab, configuration: Configuration) -> None:
    relay = urlsplit(section(configuration, "mail").table["smtp"])
    for number in (1, 2):
        with smtplib.SMTP(str(relay.hostname), relay.port or 0, timeout=5) as client:
            client.sendmail("a@lab.test", ["b@lab.test"], f"Subject: {number}\r\n\r\nbody\r\n")
    files = sorted(Path(lab.mail).iterdir())
    messages = [email.message_from_bytes(file.read_bytes()) for file in files]
    assert [message["Subject"] for message in messages] == ["1", "2"]
    assert {message["X-Recipients"] for message in messages} == {"b@lab.test"}


def test_leaf_has_the_url_of_its_issuers_certificate(configuration: Configuration) -> None:
    service = next(one for one in configuration.service if one.name == "intermediate-ends")
    leaf, ending = x509.load_pem_x509_certificates(Path(service.certificate).read_bytes())
    (access,) = leaf.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    with urlopen(access.access_location.value, timeout=5) as response:  # noqa: S310 - a URL of the lab's own CA
        published = x509.load_der_x509_certificate(response.read())
    leaf.verify_directly_issued_by(published)
    assert published.not_valid_after_utc > leaf.not_valid_after_utc > ending.not_valid_after_utc
