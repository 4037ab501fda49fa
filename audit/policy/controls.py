"""The catalogue of controls: those of NIST SP 800-53 and the requirements of PCI DSS, and groups of them for checks.

A passed check is evidence for its controls, and does not fulfil one alone.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final

from audit.json_codec import nearest

_NIST: Final = "NIST SP 800-53 rev. 5, https://doi.org/10.6028/NIST.SP.800-53r5"
_PCI: Final = "PCI DSS v4.0.1, https://www.pcisecuritystandards.org/document_library/"
_BOOKS: Final = {_NIST: "NIST 800-53", _PCI: "PCI DSS"}


@dataclass(frozen=True, slots=True)
class Control:
    """A control of NIST SP 800-53 with its title, or a requirement of PCI DSS in short, and its source."""

    id: str
    title: str
    source: str

    @property
    def name(self) -> str:
        """The name in results: `NIST 800-53 SC-17`, `PCI DSS 4.2.1`."""
        return f"{_BOOKS[self.source]} {self.id}"


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

CERTIFICATE: Final = frozenset({"SC-17", "SC-23", "IA-5(2)", "4.2.1"})
TRANSPORT: Final = frozenset({"SC-8", "SC-8(1)", "SC-13", "CM-6", "AC-17(2)", "4.2.1", "12.3.3"})
KEYS: Final = frozenset({"SC-12", "IA-5(6)", "AC-3", "AC-6", "4.2.1"})
LIFECYCLE: Final = frozenset({"CM-8", "CM-3", "CA-7", "SI-4", "SC-12", "4.2.1.1", "12.3.3"})
NAMING: Final = frozenset({"SC-20", "SC-21", "SC-17", "SC-23(5)", "4.2.1"})
HOST: Final = frozenset({"SC-7", "AU-8", "CM-6", "CM-7"})
"""The groups, by what a check judges; a check of two subjects has `CERTIFICATE | LIFECYCLE`."""

_NAMES: Final[Mapping[str, str]] = {control.id: control.name for control in CONTROLS}
_RANKS: Final[Mapping[str, int]] = {control.name: rank for rank, control in enumerate(CONTROLS)}
_FORMS: Final[Mapping[str, re.Pattern[str]]] = {
    _BOOKS[_NIST]: re.compile(r"[A-Z]{2}-\d{1,2}(\(\d{1,2}\))?"),
    _BOOKS[_PCI]: re.compile(r"\d{1,2}(\.\d{1,2}){1,3}"),
}


def control_names(controls: Collection[str]) -> tuple[str, ...]:
    """Return the names that results have for these controls, each once; raises ValueError for an unknown control.

    A control is an id of the catalogue (`SC-17`), or a name with its book (`NIST 800-53 SC-17`, `ISO 27001 A.8.24`). A
    set is put in the order of the catalogue; any other collection keeps its own order.
    """
    names = dict.fromkeys(map(_name, controls))
    return tuple(sorted(names, key=_order) if isinstance(controls, AbstractSet) else names)


def _name(control: str) -> str:
    if control in _NAMES:
        return _NAMES[control]
    book, _, number = control.rpartition(" ")
    if not book:
        near = nearest(control, _NAMES)
        raise ValueError(f"control {control!r}: write an id of audit/policy/controls.py, or a name with its book, such "
                         f"as 'ISO 27001 A.8.24'{near}")  # fmt: skip
    if book in _FORMS and not _FORMS[book].fullmatch(number):
        raise ValueError(f"control {control!r}: {number!r} is not a control of {book}{nearest(control, _RANKS)}")
    return control


def _order(name: str) -> tuple[int, str]:
    return _RANKS.get(name, len(_RANKS)), name
