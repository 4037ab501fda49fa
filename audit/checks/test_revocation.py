"""The check of revocation: the CA may have revoked a certificate of the path."""

from __future__ import annotations

from datetime import datetime

from audit.analysis.revocation.judgement import REVOKED, revocation_of
from audit.checks import check
from audit.checks.assertions import end_if
from audit.observation import Observation
from audit.policy import Policy
from audit.policy.controls import CERTIFICATE
from audit.text import join_clauses
from audit.verdict import require
from audit.x509.path.served_chain import Chain


@check(REVOKED, severity="critical", remedy="reissue",
       source="RFC 6960 3.2; RFC 5280 6.3; BR 4.9.1.1; PCI DSS 4.2.1; CWE-299", controls=CERTIFICATE)  # fmt: skip
def test_not_revoked(chain: Chain, observation: Observation, policy: Policy, now: datetime) -> None:
    """Neither the leaf nor an intermediate may be revoked (RFC 6960 3.2; RFC 5280 6.3).

    Stapled responses, CRLs and OCSP are used. Certificates without revocation pointers and short-lived ones are
    skipped. Without a trustworthy response the result is inconclusive.

    Fix: Find out why the CA revoked it. Order a new certificate, with a new key if the old one was compromised, and
    install it.
    """
    revocation = revocation_of(chain, observation, policy, now)
    require(
        not revocation.revoked,
        join_clauses(revocation.revoked),
        observed=list(revocation.revoked),
        required="not revoked",
        remedy="rekey" if revocation.is_leaf_key_compromised else "reissue",
    )
    end_if(revocation.obstacle)
