"""Whether a domain is a public suffix or a top-level domain, by the list of the package `publicsuffixlist`.

Only suffixes that registries delegate count, as in the Baseline Requirements (3.2.2.6) and browsers. A wildcard below a
suffix that its owner listed for other purposes concerns only the owner.
"""

from __future__ import annotations

from functools import cache

from publicsuffixlist import PublicSuffixList


def is_public_suffix(domain: str) -> bool:
    """Return whether a registry registers domains below a domain (A-labels or U-labels); True for an unknown TLD."""
    return _suffixes().publicsuffix(domain.lower()) == domain.lower()


def registered_domain(domain: str) -> str:
    """Return the registered domain of a name: its public suffix and one label, or the suffix itself."""
    return _suffixes().privatesuffix(domain.lower()) or domain.lower()


def owned_domain(domain: str) -> str:
    """Return the domain of the owner of a name: as registered, or the one below a suffix that a hoster lists."""
    return _suffixes_of_hosters().privatesuffix(domain.lower().rstrip(".")) or domain.lower().rstrip(".")


def is_top_level_domain(label: str) -> bool:
    """Return whether a label (an A-label if it is not ASCII) is a top-level domain of the public DNS."""
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
