"""Which of two files the panel's own services take their certificate from: the panel's, or one installed in its place.

It knows the leaf of each, the leaf that is served, and what is older; it refuses to tell by the name alone where both
are there and the daemon has the other one.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Final

_SECONDS: Final = re.compile(r"[0-9]{1,11}")
OWN_PORTS: Final = (2083, 2087, 2096, 2078, 2080)  # cPanel, WHM, webmail, web disk, calendars
OWN: Final = "/var/cpanel/ssl/cpanel/cpanel.pem"
INSTALLED: Final = "/var/cpanel/ssl/cpanel/mycpanel.pem"


def own_file(there: Collection[str], served: str) -> str:
    """Return the file that the panel's own services are configured with.

    One that was installed takes the place of the panel's. Only a daemon that began after it was there, and still has
    the panel's, says that it does not; one that began before is to be restarted, and that is another's finding.
    """
    if INSTALLED not in there:
        return OWN
    if OWN not in there:
        return INSTALLED
    lines = {line.partition(" ")[0]: line.split()[1:] for line in served.splitlines()}
    (own, _), (installed, since) = (_leaf_and_time(lines, path) for path in (OWN, INSTALLED))
    has_other = lines.get("served") == [own] and own != installed
    began = [int(second) for second in re.findall(r"^began ([0-9]{1,11})$", served, re.MULTILINE)]
    return OWN if has_other and began and since is not None and min(began) > since else INSTALLED


def _leaf_and_time(lines: Mapping[str, list[str]], path: str) -> tuple[str, int | None]:
    leaf, time = [*lines.get(path, ()), "", ""][:2]
    return leaf, int(time) if _SECONDS.fullmatch(time) else None
