"""Firewalls of the panel's host, as nft(8) reads them: one that keeps the CA out, and one that lets in who is listed.

They are put into the namespace of the host alone. It knows rules and no finding.
"""

from __future__ import annotations

from typing import Final

from tests.real.panel.world import SECTIGO

_OPEN: Final = "21, 25, 110, 143, 465, 587, 993, 995, 2078, 2080, 2083, 2087, 2096"
_BEGIN: Final = f"""table inet filter {{
  chain input {{
    type filter hook input priority 0; policy drop;
    ct state established,related accept
    iif lo accept
    tcp dport {{ {_OPEN} }} accept
"""
_END: Final = "  }\n}\n"
NEIGHBOURS: Final = "ip saddr 198.18.60.0/24 tcp dport 80 accept"
LISTED: Final = f"ip saddr {{ {', '.join(SECTIGO)}, 198.18.60.0/24 }} tcp dport 80 accept"

CLOSED: Final = f"{_BEGIN}    {NEIGHBOURS}\n{_END}"
"""Port 80 is open to the server's own network, so that every look from there is well."""
NARROW: Final = f"{_BEGIN}    {LISTED}\n{_END}"
"""Port 80 is open to the addresses of the seed, and to nobody else from outside."""
