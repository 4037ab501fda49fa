"""What a DNS name in a certificate looks like (RFC 5280 4.2.1.6, RFC 1034 3.5, RFC 5890 2.3.1).

It resolves nothing and knows no certificate.
"""

from __future__ import annotations

import re
from typing import Final

_LABEL: Final = re.compile(r"(?!-)[a-zA-Z0-9-]{1,63}(?<!-)", re.ASCII)
_MAX_LENGTH: Final = 253


def is_dns_name(text: str) -> bool:
    """Tell whether a text is a name in the preferred syntax, relative to the root and without a last dot."""
    labels = text.split(".")
    return len(text) <= _MAX_LENGTH and all(map(_LABEL.fullmatch, labels)) and not labels[-1].isdigit()


def is_presentable(text: str) -> bool:
    """Tell whether a text is such a name, or a wildcard as the whole left-most label before one (RFC 9525 6.3)."""
    return is_dns_name(text.removeprefix("*."))


def is_mailbox(text: str) -> bool:
    """Tell whether a text is an address of one local part and one host (RFC 5280 4.2.1.6, RFC 5321 4.1.2)."""
    local, _, host = text.partition("@")
    return bool(local) and local.isprintable() and " " not in local and is_dns_name(host)
