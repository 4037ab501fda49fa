"""The step `key`: a key and its certification request wait on the host.

It knows that making them a second time gives the first again; it refuses to see the key.
"""

from __future__ import annotations

from remediate.action import Done
from remediate.csr import BadRequest, Csr
from remediate.key import make_request, read_request
from remediate.premises import BUSY
from remediate.site import Site
from remediate.steps.step import So, Stuck, interruption


class Key:
    """The request is kept for the steps that follow."""

    def look(self, site: Site, subject: str) -> So | None:
        """Return which request there is, once it has been asked for."""
        del subject  # it is for the whole case
        return So(str(site.csr)) if site.csr else None

    def act(self, site: Site, subject: str) -> None:
        """Make key and request, or find those that are there."""
        del subject
        request_of(site)


def request_of(site: Site) -> Csr:
    """Return the request of a case, made on the host where there is none yet; raises Stuck."""
    if site.csr is None:
        names, key_type = site.case.names, site.means.key_type
        try:
            site.csr = read_request(_asked(site), names, key_type)
        except BadRequest as error:
            raise Stuck("key.request", str(error)) from error
    return site.csr


def _asked(site: Site) -> Done:
    result = site.run(make_request(site.premises, site.case.names, site.means.key_type))
    if result.status in (None, BUSY):
        raise interruption(site, result)
    return result
