"""Checks of keys: how strong they are, where else they are used, and who can read them."""

from __future__ import annotations

from audit.analysis.chains import unjudged_key
from audit.analysis.key_files import key_exposures, key_mismatches, unknown_pairs, unknown_permissions
from audit.analysis.key_reuse import Sharing, reuse_faults
from audit.checks import check
from audit.checks.assertions import end_if, require_none
from audit.observation import HostView
from audit.policy import Policy
from audit.policy.controls import KEYS, LIFECYCLE
from audit.text import join_clauses
from audit.verdict import inconclusive, not_applicable, require
from audit.x509.certificate import Certificate
from audit.x509.compromised_keys import flaws_of
from audit.x509.public_keys import leaf_weaknesses


@check("key.weak", severity="high", remedy="rekey", source="BR 6.1.5, 6.1.6; CWE-326", controls=KEYS)
def test_key_is_strong(certificate: Certificate, policy: Policy) -> None:
    """The key must have a kind, size, curve and exponent that the policy allows (BR 6.1.5, 6.1.6).

    No public CA may issue a certificate for a post-quantum key. `private-pki` accepts ML-DSA. Under it a key of SLH-DSA
    or of a composite is inconclusive, because the library does not support it.

    Fix: Make a new key (EC P-256, or RSA with 2048 bits or more), and order a certificate for it.
    """
    require_none(policy.faults(lambda limits: leaf_weaknesses(certificate.key, limits)))
    end_if(unjudged_key((certificate,), policy))


@check("key.compromised", severity="critical", remedy="rekey", source="BR 4.9.1.1, 6.1.1.3(5), 6.1.6", controls=KEYS)
def test_key_is_secret(certificate: Certificate, has_list_of_keys: bool) -> None:  # noqa: FBT001 - a fact by name
    """The private key must not be computable or publicly known (BR 4.9.1.1, 6.1.1.3(5), 6.1.6).

    The library badkeys checks it, if `pytest-sslaudit[keys]` is installed: ROCA, Fermat, a prime modulus, small, shared
    and patterned primes, a small private exponent, and its list of known keys if the user has downloaded that.

    Fix: Make a new key on the host at once, order a certificate for it, install both, and have the CA revoke the old
    certificate. Replace every other certificate of that key.
    """
    flaws = flaws_of(certificate.key, has_list=has_list_of_keys)
    if flaws.unchecked:
        not_applicable(flaws.unchecked)
    if flaws.unread and not flaws.found:
        inconclusive(f"badkeys cannot read its list of known keys: {flaws.unread}")
    require(not flaws.found, join_clauses(flaws.found), observed=flaws.found,
            required="a private key that only the owner can have")  # fmt: skip


@check(
    "key.reuse",
    severity="medium",
    remedy="rekey",
    source="OWASP ASVS 5.0 11.1.1; NIST SP 1800-16B",
    controls=KEYS | LIFECYCLE,
)
def test_key_is_of_one_service(key_sharing: Sharing, policy: Policy) -> None:
    """A key must belong to one subscriber, and to hosts that serve one name (OWASP ASVS 5.0 11.1.1).

    All endpoints of the run are compared. The services of one host may share a key, and so may the hosts behind one
    name.

    Fix: Make a key of its own for each host or subscriber, and order a certificate for each.
    """
    require_none(policy.faults(lambda limits: reuse_faults(key_sharing, limits)))


@check("key.mismatch", severity="critical", remedy="reissue", source="RFC 9846 4.4.3", controls=KEYS)
def test_key_fits_certificate(server: HostView) -> None:
    """Each configured key must belong to the certificate beside it (RFC 9846 4.4.3).

    Fix: Name the key of this certificate in the configuration, if it is on the host. Otherwise order a new certificate
    for the key. The service will not start again as it is.
    """
    mismatches = key_mismatches(server)
    seen, places = [str(pair) for pair in mismatches], [pair.place for pair in mismatches if pair.place]
    notes = [f"the key of one of the two is that of {place}" for place in places]
    require(not seen, join_clauses((*seen, *notes)), observed=seen, required="one key pair",
            remedy="configure" if places else "reissue")  # fmt: skip
    end_if(unknown_pairs(server))


@check("key.permissions", severity="high", remedy="host", source="NIST SP 800-53 AC-6; CWE-732", controls=KEYS)
def test_key_is_private(server: HostView, policy: Policy) -> None:
    """Only the owner and the service's own group may read or replace a key file (NIST SP 800-53 AC-6).

    Fix: Give the key to root with mode 0600, or 0640 with the service's group: `chown root:` and `chmod 600`. If every
    user could read it, make a new key and order a new certificate.
    """
    require_none(key_exposures(server, policy))
    end_if(unknown_permissions(server))
