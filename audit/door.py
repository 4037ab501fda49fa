"""What answers at the port that a CA comes to: one request for a file that is not there, at one address of a name.

Values alone: it judges nothing and asks nobody.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Door:
    """One answer over plain HTTP. Without a status `detail` says why there was none."""

    url: str
    address: str
    status: int | None = None
    location: str = ""  # where it sends whoever asks
    server: str = ""  # as the answer names it
    beginning: str = ""  # of the body, printable
    detail: str = ""
    can_tell: bool = True  # else this machine has no way to addresses of that kind
