"""Firewalls of the panel's host, as nft(8) reads them: one that keeps the CA out, and one that lets in who is listed.

They are put into the namespace of the host alone. It knows rules and no finding.
"""

from __future__ import annotations

from typing import Final

from tests.support.cpanel.world import SECTIGO

_BEGIN: Final = """table inet filter {
  chain input {
    type filter hook input priority 0; policy accept;
    ct state established,related accept
    iif lo accept
"""
_END: Final = "  }\n}\n"
REFUSING: Final = "tcp dport 80 drop"
_CLOSING: Final = f"    {REFUSING}\n{_END}"
CLOSED: Final = f"{_BEGIN}    ip saddr 198.18.60.0/24 tcp dport 80 accept\n{_CLOSING}"
"""Port 80 is open to the server's own network, so that every look from there is well."""
NARROW: Final = f"{_BEGIN}    ip saddr {{ {', '.join(SECTIGO)}, 198.18.60.0/24 }} tcp dport 80 accept\n{_CLOSING}"
"""Port 80 is open to the addresses of the seed, and to nobody else from outside."""
