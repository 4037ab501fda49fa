"""The services of a cPanel & WHM server that have a certificate of the panel itself: as audited, or by their files.

It knows the panel's folders; it refuses to know what is wrong with a certificate.
"""

from __future__ import annotations

import hashlib
import re
from typing import Final

from remediate.model.audit_results import ObservedEndpoint

_OWN: Final = re.compile(r"/var/cpanel/ssl/(cpanel|dovecot|exim|ftp)/[^/]+$")


def is_of_panel(seen: ObservedEndpoint) -> bool:
    """Tell whether an endpoint has one of the panel's service certificates, or is to have one and has no file yet.

    A web server may have the panel's own file for the host's name. A link from the panel's folder to where another
    agent keeps its certificates leads to what is that agent's.
    """
    return seen.panel_service is not None or any(_OWN.match(file.real_path or file.path) for file in seen.files)


def successor_of(path: str) -> str | None:
    """Return what takes the place of a file of the panel where it is there: an installed one is called `my…`."""
    folder, _, name = path.rpartition("/")
    return f"{folder}/my{name}" if _OWN.search(path) and not name.startswith("my") else None


def panel_case_id(host: str, *, is_held: bool) -> str:
    """Return the id of the case of a panel's service certificates: the same, whichever of them are replaced by then.

    Each had a key of its own, so that no old key stands for the case. `is_held` tells those apart that have to wait
    while the others are repaired.
    """
    text = f"{host}\nservice certificates of the panel{', held' if is_held else ''}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]
