"""Tests of the reasons that OpenSSL gives for a failed handshake."""

from __future__ import annotations

import pytest
from OpenSSL import SSL

from audit.probe.tls_handshake import _fault_of

ALERT, BROKEN = "tlsv13 alert certificate required", "wrong version number"


@pytest.mark.parametrize(
    ("reasons", "kind", "detail"),
    [
        ((ALERT,), "alert", "the server ends the handshake with the alert certificate_required"),
        ((BROKEN, ALERT), "alert", "the server ends the handshake with the alert certificate_required"),
        ((ALERT, BROKEN), "broken", f"OpenSSL cannot process the handshake: {ALERT}; {BROKEN}"),
        ((), "broken", "OpenSSL cannot process the handshake: OpenSSL gives no reason"),
    ],
)
def test_last_reason_decides_whether_it_is_an_alert(reasons: tuple[str, ...], kind: str, detail: str) -> None:
    fault = _fault_of(SSL.Error([("SSL routines", "", reason) for reason in reasons]))
    assert (fault.stage, fault.kind, fault.detail) == ("handshake", kind, detail)
