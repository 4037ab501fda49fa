"""The controls of NIST SP 800-53 and the requirements of PCI DSS that each built-in check bears on.

A pass is evidence for a control, and does not fulfil it alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

_NIST: Final = "NIST SP 800-53 rev. 5, https://doi.org/10.6028/NIST.SP.800-53r5"
_PCI: Final = "PCI DSS v4.0.1, https://www.pcisecuritystandards.org/document_library/"


@dataclass(frozen=True, slots=True)
class Control:
    """A control with its title, or a requirement in short, and its source."""

    id: str
    title: str
    source: str

    @property
    def name(self) -> str:
        """The name in results: `NIST 800-53 SC-17`, `PCI DSS 4.2.1`."""
        return f"{'PCI DSS' if self.source is _PCI else 'NIST 800-53'} {self.id}"


CONTROLS: Final[tuple[Control, ...]] = (
    Control("AC-3", "Access Enforcement", _NIST),
    Control("AC-6", "Least Privilege", _NIST),
    Control("AC-17(2)", "Remote Access: Protection of Confidentiality and Integrity Using Encryption", _NIST),
    Control("AU-8", "Time Stamps", _NIST),
    Control("CA-7", "Continuous Monitoring", _NIST),
    Control("CM-3", "Configuration Change Control", _NIST),
    Control("CM-6", "Configuration Settings", _NIST),
    Control("CM-7", "Least Functionality", _NIST),
    Control("CM-8", "System Component Inventory", _NIST),
    Control("IA-5(2)", "Authenticator Management: Public Key-based Authentication", _NIST),
    Control("IA-5(6)", "Authenticator Management: Protection of Authenticators", _NIST),
    Control("SC-7", "Boundary Protection", _NIST),
    Control("SC-8", "Transmission Confidentiality and Integrity", _NIST),
    Control("SC-8(1)", "Transmission Confidentiality and Integrity: Cryptographic Protection", _NIST),
    Control("SC-12", "Cryptographic Key Establishment and Management", _NIST),
    Control("SC-13", "Cryptographic Protection", _NIST),
    Control("SC-17", "Public Key Infrastructure Certificates", _NIST),
    Control("SC-20", "Secure Name/Address Resolution Service (Authoritative Source)", _NIST),
    Control("SC-21", "Secure Name/Address Resolution Service (Recursive or Caching Resolver)", _NIST),
    Control("SC-23", "Session Authenticity", _NIST),
    Control("SC-23(5)", "Session Authenticity: Allowed Certificate Authorities", _NIST),
    Control("SI-4", "System Monitoring", _NIST),
    Control("4.2.1", "trusted, valid and unrevoked certificates, and secure protocols and key sizes, in transit", _PCI),
    Control("4.2.1.1", "an inventory of trusted keys and certificates", _PCI),
    Control("12.3.3", "cipher suites and protocols in use are inventoried and reviewed", _PCI),
)

_CERTIFICATE: Final = ("SC-17", "SC-23", "IA-5(2)", "4.2.1")
_TRANSPORT: Final = ("SC-8", "SC-8(1)", "SC-13", "CM-6", "AC-17(2)", "4.2.1", "12.3.3")
_KEY: Final = ("SC-12", "IA-5(6)", "AC-3", "AC-6", "4.2.1")
_LIFECYCLE: Final = ("CM-8", "CM-3", "CA-7", "SI-4", "SC-12", "4.2.1.1", "12.3.3")
_NAMING: Final = ("SC-20", "SC-21", "SC-17", "SC-23(5)", "4.2.1")
_SURROUNDINGS: Final = ("SC-7", "AU-8", "CM-6", "CM-7")

_GROUPS: Final[Mapping[str, tuple[tuple[str, ...], ...]]] = {
    "cert.eku-clientauth": (_CERTIFICATE,),
    "cert.eku-missing-serverauth": (_CERTIFICATE,),
    "cert.expired": (_CERTIFICATE, _LIFECYCLE),
    "cert.expiring": (_CERTIFICATE, _LIFECYCLE),
    "cert.internal-name": (_NAMING,),
    "cert.lint-br": (_CERTIFICATE,),
    "cert.malformed": (_CERTIFICATE,),
    "cert.must-staple-no-staple": (_CERTIFICATE,),
    "cert.name-mismatch": (_CERTIFICATE, _NAMING),
    "cert.no-revocation-info": (_CERTIFICATE,),
    "cert.not-yet-valid": (_CERTIFICATE, _SURROUNDINGS),
    "cert.profile-br": (_CERTIFICATE,),
    "cert.renewal-due": (_CERTIFICATE, _LIFECYCLE),
    "cert.revoked": (_CERTIFICATE,),
    "cert.san-missing": (_CERTIFICATE, _NAMING),
    "cert.sct-insufficient": (_CERTIFICATE,),
    "cert.self-signed": (_CERTIFICATE,),
    "cert.staple-stale": (_CERTIFICATE,),
    "cert.untrusted": (_CERTIFICATE, _NAMING),
    "cert.validity-too-long": (_CERTIFICATE,),
    "cert.weak-signature": (_CERTIFICATE,),
    "cert.wildcard-scope": (_KEY,),
    "chain.incomplete": (_CERTIFICATE,),
    "chain.intermediate-expiring": (_CERTIFICATE, _LIFECYCLE),
    "chain.invalid-path": (_CERTIFICATE,),
    "chain.order": (_CERTIFICATE,),
    "chain.root-included": (_TRANSPORT,),
    "chain.weak-ca-key": (_CERTIFICATE,),
    "dcv.firewall": (_NAMING, _SURROUNDINGS),
    "dcv.firewall-narrow": (_NAMING, _SURROUNDINGS),
    "dcv.http-unreachable": (_NAMING, _SURROUNDINGS),
    "dcv.redirect-illegal": (_NAMING,),
    "dcv.stale-token": (_NAMING, _SURROUNDINGS),
    "dns.not-this-host": (_NAMING,),
    "dns.unresolvable": (_NAMING,),
    "host.name-invalid": (_NAMING,),
    "host.not-inspected": (_SURROUNDINGS,),
    "key.compromised": (_KEY,),
    "key.mismatch": (_KEY,),
    "key.permissions": (_KEY,),
    "key.reuse": (_KEY, _LIFECYCLE),
    "key.weak": (_KEY,),
    "ops.clock-skew": (_SURROUNDINGS,),
    "ops.contact-missing": (_LIFECYCLE,),
    "ops.endpoint-unusable": (_LIFECYCLE,),
    "ops.foreign-agent": (_LIFECYCLE,),
    "ops.management-disabled": (_LIFECYCLE,),
    "ops.renewal-unscheduled": (_LIFECYCLE,),
    "ops.waiver-expired": (),
    "ops.waiver-stale": (),
    "svc.certificate-missing": (_CERTIFICATE,),
    "svc.config-missing-file": (_LIFECYCLE, ("CM-6",)),
    "svc.disk-vs-wire": (_LIFECYCLE,),
    "svc.multi-address": (_LIFECYCLE,),
    "svc.plaintext": (_TRANSPORT,),
    "svc.unreachable": (_SURROUNDINGS,),
    "tls.old-protocol": (_TRANSPORT,),
}
"""The groups and single ids of each built-in check: one row a check, by id."""

_NAMES: Final[Mapping[str, str]] = {control.id: control.name for control in CONTROLS}
CONTROLS_OF: Final[Mapping[str, tuple[str, ...]]] = {
    check: tuple(name for one, name in _NAMES.items() if any(one in group for group in groups))
    for check, groups in _GROUPS.items()
}
"""The names of the controls of each built-in check, in order; none where it is about the audit's own files."""


def controls_of(check: str, own: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Return the names of the controls of a check: those of the table, and those that it gives itself."""
    return (*CONTROLS_OF.get(check, ()), *own) if own else CONTROLS_OF.get(check, ())
