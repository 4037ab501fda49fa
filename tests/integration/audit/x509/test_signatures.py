"""One rule decides which key signed a certificate, a CRL or an OCSP response."""

from __future__ import annotations

import pytest

from audit.x509.algorithms import Signed, is_signed_by
from audit.x509.path.builder import Search, links_leniently, links_strictly
from audit.x509.revocation.crl import RevocationList, read_crl
from audit.x509.revocation.ocsp import OcspResponse, read_ocsp
from tests.integration.audit.x509.conftest import Forge
from tests.support.x509.certificates import ca, leaf, rsa_key
from tests.support.x509.crls import crl
from tests.support.x509.ocsp_responses import ASKED, CA, ROOT, Answer
from tests.support.x509.paths import member


def signed_by_ca(kind: str) -> Signed:
    """Return something of each kind that the CA signed."""
    if kind == "certificate":
        return member(ASKED)
    found = read_crl(crl(CA)) if kind == "CRL" else read_ocsp(Answer().der)
    assert isinstance(found, RevocationList | OcspResponse)
    return found


@pytest.mark.parametrize("kind", ["certificate", "CRL", "OCSP response"])
def test_signature_verifies_only_with_the_key_of_its_signer(kind: str) -> None:
    signed = signed_by_ca(kind)
    assert is_signed_by(signed, member(CA)) is True
    assert is_signed_by(signed, member(ROOT)) is False
    assert is_signed_by(signed, member(ROOT), by_any_algorithm=True) is False


def test_forgeable_signature_is_verified_only_on_request(forge: Forge) -> None:
    issuer, other = (ca(f"CN={name}").with_key(rsa_key(bits)) for name, bits in (("A", 2048), ("B", 3072)))
    forged = member(forge(leaf().by(issuer), "sha1"))
    for signer, is_its_key in ((issuer, True), (other, False)):
        assert is_signed_by(forged, member(signer.der)) is None
        assert is_signed_by(forged, member(signer.der), by_any_algorithm=True) is is_its_key


@pytest.mark.parametrize("kind", ["certificate", "CRL", "OCSP response"])
def test_key_that_clients_do_not_accept_verifies_only_on_request(kind: str) -> None:
    weak = ca("CN=Weak").with_key(rsa_key(1024))
    assert is_signed_by(signed_by_ca(kind), member(weak.der)) is None
    assert is_signed_by(signed_by_ca(kind), member(weak.der), by_any_algorithm=True) is False


def test_lenient_step_verifies_what_a_strict_step_leaves_unverified(forge: Forge) -> None:
    issuer, namesake = (ca("CN=A").with_key(rsa_key(bits)).without_key_ids() for bits in (2048, 3072))
    forged = member(forge(leaf().by(issuer), "sha1"))
    pool = (member(namesake.der), member(issuer.der))
    assert set(Search(pool, ()).issuers(forged)) == set(pool)
    lenient = Search(pool, (), links=links_leniently)
    assert lenient.issuers(forged) == (pool[1],)
    assert lenient.refused_issuers(forged) == [pool[0]]
    assert lenient.reached_from(forged) == (forged, pool[1])


def test_paths_of_both_steps_reach_the_anchor_past_dead_ends() -> None:
    anchor, astray = member(ROOT), member(ca("CN=Elsewhere", ca("CN=Nowhere")).der)
    for links in (links_strictly, links_leniently):
        search = Search((astray, member(CA)), (anchor,), links=links)
        assert list(search.paths((member(ASKED),), lambda *_: True)) == [(member(ASKED), member(CA), anchor)]
        assert search.reached_from(member(ASKED)) == (member(ASKED), member(CA))
