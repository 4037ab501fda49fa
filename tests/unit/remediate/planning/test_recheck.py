"""Tests of the recheck of a saved plan: it is stale if its endpoints have changed."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256

import pytest

from audit.observation import Observation
from remediate.hosts.workdir import HostWorkdir
from remediate.issuers import Order, OrderRef
from remediate.issuers.none import NoIssuer
from remediate.model.case import Case, Repair
from remediate.pki.csr import csr_hash_challenge
from remediate.planning.recheck import stale_reason
from tests.support.endpoint_facts import GOOD, INTERMEDIATE, certificate_file, host, observed, served
from tests.support.remediate.journals import a_case
from tests.support.store.order_requests import request
from tests.support.x509.certificates import Draft, leaf

NEW = leaf("new.example").by(INTERMEDIATE)
REPLACED = sha256(GOOD.der).hexdigest()


def case_of(repair: Repair, replaced: str | None = REPLACED) -> Case:
    """Return a case of one endpoint."""
    return replace(a_case(), repair=repair, endpoints=("a",), old_leaf_sha256=replaced, old_leaves=())


def serving(draft: Draft, *on_disk: Draft) -> dict[str, Observation]:
    """Return what is seen of the endpoint: a certificate served, and one in its file."""
    files = [certificate_file(*on_disk)] if on_disk else []
    return {"a": observed(served(draft, INTERMEDIATE), server=host(*files))}


def test_endpoint_that_is_not_found_makes_the_case_stale() -> None:
    assert stale_reason(case_of(Repair.REISSUE), {}) == "a was not found this time"


@pytest.mark.parametrize(
    ("case", "seen", "reason"),
    [
        (case_of(Repair.REISSUE), serving(GOOD), None),
        (case_of(Repair.REISSUE), serving(NEW), "another certificate is served now"),
        (case_of(Repair.REISSUE, None), serving(NEW), "a certificate is served now"),
        (case_of(Repair.REISSUE, None), {"a": observed()}, None),
        (case_of(Repair.RELOAD), serving(GOOD, NEW), None),
        (case_of(Repair.RELOAD), serving(NEW, NEW), "the service now serves the certificate on disk"),
    ],
)
def test_certificate_served_now_decides(case: Case, seen: dict[str, Observation], reason: str | None) -> None:
    assert stale_reason(case, seen) == reason


def test_changed_mode_makes_a_repair_of_modes_stale() -> None:
    case = case_of(Repair.HOST)
    case = replace(case, files=(replace(case.files[0], path="/etc/tls/www.crt", mode="0644"),))
    file = certificate_file()
    assert stale_reason(case, {"a": observed(server=host(file))}) is None
    changed = {"a": observed(server=host(replace(file, mode=0o600)))}
    assert stale_reason(case, changed) == "the mode of /etc/tls/www.crt has changed"


def test_without_an_issuer_every_request_about_an_order_is_refused() -> None:
    issuer, wanted, order = NoIssuer(), request(), Order("1", "valid")
    ref, challenge = OrderRef("1", wanted), csr_hash_challenge(wanted.csr, "a.example")
    responses = (
        issuer.find(wanted.csr),
        issuer.place(wanted),
        issuer.fetch(ref),
        issuer.accept(challenge),
        issuer.finalize(order, wanted.csr),
        issuer.download(order),
        issuer.cancel(ref),
    )
    assert set(responses) == {issuer.fault}
    assert "no issuer is chosen" in str(issuer.fault)


def test_unsafe_case_id_or_lock_holder_has_no_work_directory() -> None:
    with pytest.raises(ValueError, match="not a valid directory name"):
        HostWorkdir("web1", "../x", "a test")
    with pytest.raises(ValueError, match="not one printable line"):
        HostWorkdir("web1", "1a2b", "a\ntest")
