"""The evidence of a run: observations on disk, a manifest that shows damage, and a signature that shows tampering.

Every process of a run reads the observations from there, and a later run if they are kept.
"""

from __future__ import annotations

from pytest_sslaudit.evidence.exchange import CollectedTests, Exchange
from pytest_sslaudit.evidence.files import BadEvidence
from pytest_sslaudit.evidence.observations import EvidenceStore, Inventory

__all__ = ["BadEvidence", "CollectedTests", "EvidenceStore", "Exchange", "Inventory"]
