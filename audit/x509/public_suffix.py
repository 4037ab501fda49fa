"""Whether a domain is a public suffix, by the list that comes with the package `publicsuffixlist`.

Only suffixes delegated by registries count, as the Baseline Requirements (3.2.2.6) and browsers have it: a wildcard
below a suffix that its owner lists for other purposes is the owner's own affair. It knows no certificate.
"""

from __future__ import annotations

from functools import cache

from publicsuffixlist import PublicSuffixList


def is_public_suffix(domain: str) -> bool:
    """Tell whether a domain, as A-labels or U-labels, is one below which a registry registers; an unknown TLD is."""
    return _suffixes().publicsuffix(domain.lower()) == domain.lower()


def registered_domain(domain: str) -> str:
    """Return the domain of a registry that a name is in: its public suffix and one label; itself where it is one."""
    return _suffixes().privatesuffix(domain.lower()) or domain.lower()


def owned_domain(domain: str) -> str:
    """Return the domain of one owner that a name is in: as registered, but below what hosters list as a suffix."""
    return _suffixes_of_hosters().privatesuffix(domain.lower().rstrip(".")) or domain.lower().rstrip(".")


def is_top_level_domain(label: str) -> bool:
    """Tell whether a label, an A-label where it is not of ASCII, is a top-level domain of the public DNS."""
    return label.isascii() and "." not in label and _delegated().publicsuffix(label.lower()) is not None


@cache
def _suffixes() -> PublicSuffixList:
    return PublicSuffixList(only_icann=True)


@cache
def _suffixes_of_hosters() -> PublicSuffixList:
    return PublicSuffixList()


@cache
def _delegated() -> PublicSuffixList:
    return PublicSuffixList(only_icann=True, accept_unknown=False)
