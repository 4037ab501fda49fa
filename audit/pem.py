"""PEM text to the DER of the certificates in it (RFC 7468), as bytes: nothing of them is parsed."""

from __future__ import annotations

import base64
import re
from typing import Final

_BLOCK: Final = re.compile(r"-----BEGIN CERTIFICATE-----(?P<body>.*?)-----END CERTIFICATE-----", re.DOTALL)


def certificates_in(text: str) -> tuple[bytes, ...]:
    """Return the certificates in their order, whatever stands between them; raises ValueError for what is no base64."""
    return tuple(base64.b64decode("".join(match["body"].split()), validate=True) for match in _BLOCK.finditer(text))
