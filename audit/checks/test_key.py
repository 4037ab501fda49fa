"""Checks of keys: how strong, whose, and who can get at them."""

from __future__ import annotations

from audit.analysis.installed_files import (
    exposures,
    files,
    fits,
    has_unread_acl,
    key_elsewhere,
    pairs,
    require_read,
    unread,
)
from audit.analysis.key_reuse import Sharing, reuse_faults
from audit.checks import check
from audit.observation import HostView
from audit.policy import Policy
from audit.text import listing, sentence
from audit.verdict import inconclusive, not_applicable, require, require_none
from audit.x509.certificate import Certificate
from audit.x509.compromised_keys import flaws_of
from audit.x509.public_keys import leaf_weaknesses


@check("key.weak", severity="high", remedy="rekey", source="BR 6.1.5, 6.1.6; CWE-326")
def test_key_is_strong(certificate: Certificate, policy: Policy) -> None:
    """The public key is of a kind, size, curve and exponent that the policy admits."""
    require_none(policy.each(lambda limits: leaf_weaknesses(certificate.key, limits)))


@check("key.compromised", severity="critical", remedy="rekey", source="BR 4.9.1.1, 6.1.1.3(5), 6.1.6")
def test_key_is_secret(certificate: Certificate, has_list_of_keys: bool) -> None:  # noqa: FBT001 - a fact by name
    """Nobody can compute the private key, and nobody is known to have it.

    Asked of the library badkeys, where `pytest-sslaudit[keys]` is installed: ROCA, Fermat, small, shared and patterned
    primes, a small private exponent; and its list of known keys (Debian's weak ones among them) where the user has it.
    """
    flaws = flaws_of(certificate.key, has_list=has_list_of_keys)
    if flaws.unchecked:
        not_applicable(flaws.unchecked)
    if flaws.unread and not flaws.found:
        inconclusive(f"badkeys cannot read its list of known keys: {flaws.unread}")
    require(not flaws.found, sentence(flaws.found), observed=flaws.found,
            required="a private key that nobody else can have")  # fmt: skip


@check("key.reuse", severity="medium", remedy="rekey", source="OWASP ASVS 5.0 11.1.1; NIST SP 1800-16B")
def test_key_is_of_one_service(key_sharing: Sharing, policy: Policy) -> None:
    """Among all endpoints of the run, the key is one subscriber's, and on hosts that serve one name.

    The services of one host may share a key, and so may the hosts behind one name.
    """
    require_none(policy.each(lambda limits: reuse_faults(key_sharing, limits)))


@check("key.mismatch", severity="critical", remedy="reissue", source="RFC 9846 4.4.3")
def test_key_fits_certificate(server: HostView) -> None:
    """Each configured key is that of the certificate beside it, by SPKI digest: else the next start fails."""
    known = [(leaf, key) for leaf, key in pairs(server) if leaf.chain_der and key and key.spki_sha256]
    wrong = [(leaf, key) for leaf, key in known if not fits(leaf, key)]
    at_hand = [place for leaf, _ in wrong if (place := key_elsewhere(server, leaf))]
    seen = [f"{key.path} is not the key of {leaf.path}" for leaf, key in wrong]
    notes = [f"the key of one of the two is that of {place}" for place in at_hand]
    require(not wrong, sentence((*seen, *notes)), observed=seen, required="one key pair",
            remedy="configure" if at_hand else "reissue")  # fmt: skip
    if not known or unread(server, "certificate", "key"):
        require_read(server, "certificate", "key")


@check("key.permissions", severity="high", remedy="host", source="NIST SP 800-53 AC-6; CWE-732")
def test_key_is_private(server: HostView, policy: Policy) -> None:
    """Only its owner and the service's own group can read or replace the key file."""
    keys = [file for file in files(server, "key") if file.mode is not None]
    require_none(policy.each(lambda limits: tuple(
        f"{key.path} ({key.mode:04o} {key.owner}:{key.group}): {exposure}"
        for key in keys for exposure in exposures(key, server.service, limits)
    )))  # fmt: skip
    hidden = [key.path for key in keys if has_unread_acl(key)]
    if hidden:
        inconclusive(f"{listing(hidden)} has an ACL, and the host has no getfacl to list whom it admits")
    if len(keys) < len(files(server, "key")) or not keys:
        require_read(server, "key")
        inconclusive("owner and mode of a key file could not be told")
