"""A secret in the forms in which a hostile party may repeat it."""

from __future__ import annotations

import base64
import html
import json
import quopri
import urllib.parse

SLASHED = "s3cr/et+T0ken-of_Store=1"
PLAIN = "plain0token"
ODD = "two words \\ & <more>%41"


def encodings(secret: str) -> dict[str, str]:
    """Return the forms of a secret that must be found, by name."""
    octets, escaped = secret.encode(), json.dumps(secret)[1:-1]
    return {
        "as it is": secret,
        "upper case": secret.upper(),
        "lower case": secret.lower(),
        "JSON": escaped,
        "JSON with escaped slashes": escaped.replace("/", "\\/"),
        "JSON in unicode escapes": "".join(f"\\u{ord(character):04X}" for character in secret),
        "JSON in JSON": json.dumps(escaped.replace("/", "\\/"))[1:-1],
        "URL": urllib.parse.quote(secret, safe=""),
        "URL in URL": urllib.parse.quote(urllib.parse.quote(secret, safe=""), safe=""),
        "HTML": html.escape(secret),
        "HTML in HTML": html.escape(html.escape(secret)),
        "HTML decimal": "".join(f"&#{ord(character)};" for character in secret),
        "HTML hexadecimal": "".join(f"&#x{ord(character):x};" for character in secret),
        "quoted-printable": quopri.encodestring(octets).decode(),
        "hexadecimal": octets.hex(),
        "hexadecimal with colons": octets.hex(":").upper(),
        "base64": base64.b64encode(octets).decode(),
        "base64 at the second place": base64.b64encode(b"u" + octets).decode(),
        "base64 at the third place": base64.b64encode(b"us" + octets).decode(),
        "base64 for URLs": base64.urlsafe_b64encode(octets).decode(),
        "base64 in lines": base64.encodebytes(b"user:" * 11 + octets).decode(),
        "broken by lines": "\r\n ".join(secret),
        "broken by escaped lines": f"{secret[:2]}\\r\\n{secret[2:]}",
        "broken by a continued line": f"{secret[:2]}\\\n  {secret[2:]}",
        "broken by invisible characters": "\N{ZERO WIDTH SPACE}".join(secret),
        "broken by NUL": "\0".join(secret),
    }
