"""Certificates of the lab that are revoked, or whose status is published in one form or another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from cryptography import x509

from tests.lab.authorities import DAY, Authorities
from tests.lab.leaves import Served, good, issue_below, leaf_for, serve


def revoked(reason: x509.ReasonFlags) -> Callable[[Authorities, str], Served]:
    """Return what gives a certificate that the CRL lists."""

    def recipe(at: Authorities, name: str) -> Served:
        served = good(at, name)
        at.registry.revoke(served.chain[0], reason)
        return served

    return recipe


def answered(way: str, reason: x509.ReasonFlags | None = None) -> Callable[[Authorities, str], Served]:
    """Return a recipe for a certificate whose status only a responder has, in that form, and which may be revoked."""

    def recipe(at: Authorities, name: str) -> Served:
        served = serve(at, leaf_for(at, name), status_urls=("", at.responder(way)))
        if reason is not None:
            at.registry.revoke(served.chain[0], reason)
        return served

    return recipe


def listed(name: str, way: str = "") -> Callable[[Authorities, str], Served]:
    """Return what gives a certificate whose CRL is one that says nothing, and perhaps a responder something."""

    def recipe(at: Authorities, own: str) -> Served:
        status_urls = (at.list_of(at.intermediate, name), at.responder(way) if way else "")
        return serve(at, leaf_for(at, own), status_urls=status_urls)

    return recipe


def stapled(reason: x509.ReasonFlags | None = None) -> Callable[[Authorities, str], Served]:
    """Return what gives a certificate whose responder is not there, and an answer of it."""

    def recipe(at: Authorities, name: str) -> Served:
        served = answered("missing", reason)(at, name)
        return replace(served, staple=at.registry.answer(at.registry.about(served.chain[0])))

    return recipe


def revoked_above(at: Authorities, name: str) -> Served:
    """Return a certificate of an intermediate that the root has revoked."""
    identity = issue_below(at, leaf_for(at, name), at.withdrawn)
    return Served(identity.key, (identity.certificate, at.withdrawn.certificate))


def staple_old(at: Authorities, name: str) -> Served:
    """Return a certificate whose responder is well, and an answer of it from last week."""
    served = answered("good")(at, name)
    return replace(served, staple=at.registry.answer(at.registry.about(served.chain[0]), age=9 * DAY))


def must_staple(at: Authorities, name: str) -> Served:
    """Return a certificate that demands a stapled answer, which no server staples."""
    feature = x509.TLSFeature([x509.TLSFeatureType.status_request])
    return serve(at, replace(leaf_for(at, name), extra=(feature,)), status_urls=("", at.responder("good")))
