"""Chains of the lab with one fault each above a sound leaf."""

from __future__ import annotations

from tests.lab.authorities import Authorities
from tests.lab.leaves import Served, good, issue_below, leaf_for
from tests.support.x509.ca import issue, new_intermediate, new_rsa_key


def foreign(at: Authorities, name: str) -> Served:
    identity = issue_below(at, leaf_for(at, name), at.foreign_intermediate)
    above = (at.foreign_intermediate.certificate, at.foreign_root.certificate)
    return Served(identity.key, (identity.certificate, *above))


def leaf_only(at: Authorities, name: str) -> Served:
    served = good(at, name)
    return Served(served.key, served.chain[:1])


def in_disorder(at: Authorities, name: str) -> Served:
    identity = issue_below(at, leaf_for(at, name), at.lower)
    return Served(
        identity.key, (identity.certificate, at.intermediate.certificate, at.lower.certificate)
    )  # the issuer of the leaf comes last


def unrelated(at: Authorities, name: str) -> Served:
    served = good(at, name)
    return Served(served.key, (served.chain[0], at.foreign_intermediate.certificate, served.chain[1]))


def duplicated(at: Authorities, name: str) -> Served:
    served = good(at, name)
    return Served(served.key, (served.chain[0], *served.chain))


def hundred(at: Authorities, name: str) -> Served:
    """Return a chain longer than a prober has to put up with."""
    served = good(at, name)
    return Served(served.key, (served.chain[0], *(at.intermediate.certificate,) * 149))


def intermediate_ends(at: Authorities, name: str) -> Served:
    identity = issue_below(at, leaf_for(at, name), at.ending)
    return Served(identity.key, (identity.certificate, at.ending.certificate))


def intermediate_ended(at: Authorities, name: str) -> Served:
    identity = issue_below(at, leaf_for(at, name), at.ended)
    return Served(identity.key, (identity.certificate, at.ended.certificate))


def by_a_leaf(at: Authorities, name: str) -> Served:
    """Return a leaf that the key of another server's certificate signed."""
    other = issue_below(at, leaf_for(at, f"other-{name}"), at.intermediate)
    identity = issue(leaf_for(at, name), other)
    return Served(identity.key, (identity.certificate, other.certificate, at.intermediate.certificate))


def weak_ca(at: Authorities, name: str) -> Served:
    issuer = new_intermediate("Lab Weak Intermediate", at.root, now=at.now, key=new_rsa_key(1024))
    identity = issue(leaf_for(at, name), issuer)
    return Served(identity.key, (identity.certificate, issuer.certificate))
