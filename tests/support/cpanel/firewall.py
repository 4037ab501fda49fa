"""Firewalls of the panel's host, in the syntax of nft(8): one blocks the CA, one allows only listed addresses.

They are put into the namespace of the host alone.
"""

from __future__ import annotations

from typing import Final

from tests.support.cpanel.environment import SECTIGO

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
"""Port 80 is open to the addresses of the vendor's page, and to no other address."""
