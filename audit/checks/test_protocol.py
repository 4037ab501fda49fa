"""Checks of the protocol versions that a service accepts."""

from __future__ import annotations

from audit.analysis.protocol_versions import old_versions, untested_versions
from audit.analysis.reachability import no_handshake
from audit.checks import check
from audit.checks.assertions import end_if, require_none
from audit.observation import Observation
from audit.policy import Policy
from audit.policy.controls import TRANSPORT


@check(
    "tls.old-protocol",
    severity="high",
    remedy="configure",
    source="RFC 8996 4, 5; RFC 9325 3.1.1; CWE-327",
    controls=TRANSPORT,
)
def test_no_old_protocol(observation: Observation, policy: Policy) -> None:
    """No address may accept a version of TLS that the policy forbids (RFC 8996 4, 5; RFC 9325 3.1.1).

    SSLv3 and SSLv2 are found with `--audit-depth standard` or `full`.

    Fix: Remove the old versions: `ssl_protocols` in nginx, `SSLProtocol` in Apache, `ssl_min_protocol` in Dovecot,
    `smtpd_tls_protocols` in Postfix, `openssl_options` in Exim, `TLSProtocol` in ProFTPD, `ssl-min-ver` in HAProxy.
    """
    end_if(no_handshake(observation))
    require_none(policy.faults(lambda limits: old_versions(observation.handshakes, limits)))
    end_if(untested_versions(observation.handshakes, policy))
