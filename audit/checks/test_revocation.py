"""The check of revocation: who issued a certificate may have withdrawn it."""

from __future__ import annotations

from datetime import datetime

from audit.analysis.revocation import REVOKED, require_unrevoked
from audit.checks import check
from audit.observation import Observation
from audit.policy import Policy
from audit.x509.path.served_chain import Chain


@check(REVOKED, severity="critical", remedy="reissue",
       source="RFC 6960 3.2; RFC 5280 6.3; BR 4.9.1.1; PCI DSS 4.2.1; CWE-299")  # fmt: skip
def test_not_revoked(chain: Chain, observation: Observation, policy: Policy, now: datetime) -> None:
    """Neither leaf nor intermediates are revoked: so say the stapled answer, or a CRL or OCSP responder they name.

    Who names none, or lives too short for it, is not asked about; where no answer can be believed, it cannot be told.
    """
    require_unrevoked(chain, observation, policy, now)
