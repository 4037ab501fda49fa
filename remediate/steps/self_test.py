"""The step `self-test`: the proof that the names are ours lies on every host that serves them, and can be had there.

It knows hosts, docroots and addresses of names; what the proof is and how it is judged is the validator's.
"""

from __future__ import annotations

from collections.abc import Iterator

from audit.probe.dns import resolve
from audit.words import listing
from remediate.case import Validation
from remediate.dcv import Challenge, Look, Vantage
from remediate.site import Site
from remediate.steps.key import request_of
from remediate.steps.step import So, Stuck, done, said

ORDERED = ("pending-validation", "pending-review", "issued")


class SelfTest:
    """Where an order is under way it is the CA that has to find the proof: what we see makes no difference."""

    def look(self, site: Site, subject: str) -> So | None:
        """Return that the proof was found, or that there is an order already."""
        del subject  # it is for the whole case
        orders = site.means.journal.ledger.orders(site.case.id)
        if orders and orders[-1].status in ORDERED:
            return So("there is an order already")
        return So("the CA would find it at every address") if site.is_published else None

    def act(self, site: Site, subject: str) -> None:
        """Put the proof there and look for it at every address of every name."""
        del subject
        publish(site)
        bad = [look for name in site.case.validated_on for look in _looks(site, name) if look.verdict != "good"]
        if bad:
            raise Stuck(f"dcv.{bad[0].verdict}", "\n".join(map(str, bad)))


def publish(site: Site) -> None:
    """Put the proof where the CA will look for it, on all hosts at once; raises Stuck."""
    for challenge in challenges(site):
        done(site, site.means.validator.put(challenge))
    site.is_published = True


def withdraw(site: Site) -> tuple[str, ...]:
    """Take the proof away again, and return where it could not be: it harms nobody, and stops no repair."""
    try:
        left = [(one, site.run(site.means.validator.clear(one))) for one in challenges(site)]
    except Stuck as why:
        return (str(why),)
    return tuple(f"{one.premises.host}: {said(result)}" for one, result in left if not result.ok)


def unique_value(site: Site) -> str:
    """Return what makes the proof of this request its own: the same in every run, as the order has to be."""
    return request_of(site).sha256[:20]


def challenges(site: Site) -> Iterator[Challenge]:
    """Yield what has to be proven, for each name on each of its hosts; raises Stuck where that cannot be."""
    for name in site.case.validated_on:
        for host in name.hosts:
            yield _challenge(site, name.name, host)


def _challenge(site: Site, name: str, host: str) -> Challenge:
    docroot = site.means.docroots.get((host, name))
    if docroot is None or host not in site.means.hands:
        raise Stuck("dcv.no-docroot", f"it is not known from which folder {host} serves http://{name}/")
    return Challenge(site.premises_on(host), name, request_of(site), unique_value(site), docroot)


def _looks(site: Site, name: Validation) -> tuple[Look, ...]:
    """Return what is seen at every address of a name."""
    view = resolve(name.name, site.means.limits, site.means.stop)
    if not view.addresses:
        raise Stuck("dns.unresolvable", view.detail or f"{name.name} has no address")
    own = {address for host in name.hosts for address in site.means.addresses_of(host)}
    vantage = Vantage(own_addresses=frozenset(own), stop=site.means.stop.is_set)
    looks = site.means.validator.self_test(_challenge(site, name.name, name.hosts[0]), view.addresses, vantage)
    if len(looks) < len(view.addresses):
        raise Stuck("run.stopped", f"the run was stopped; seen of {name.name}: {listing(looks)}", ended="interrupted")
    return looks
