"""The CA's validation that a client controls the names: by a file over HTTP or by a CNAME, from several places."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

Resolve = Callable[[str], Sequence[tuple[str, int]]]
"""The addresses that a name leads to, each with the port that stands for port 80 here; none where there are none."""

SOURCES: Final = ("127.0.0.2", "127.0.0.3", "127.0.0.4")
"""The addresses it looks from: several, as the Baseline Requirements (3.2.2.9) want it."""

USER_AGENT: Final = "SECTIGO DCV"
_FOLDER: Final = "/.well-known/pki-validation/"  # Baseline Requirements 3.2.2.4.18
_MAX_BODY: Final = 1_024
_TIMEOUT_S: Final = 5.0  # everything is near, but the machine may be busy


@dataclass(frozen=True, slots=True)
class Challenge:
    """What has to be found, computed from the CSR and the order's unique value."""

    csr_der: bytes
    unique_value: str

    @property
    def path(self) -> str:
        """Where the file has to be."""
        return f"{_FOLDER}{self._md5.upper()}.txt"

    @property
    def body(self) -> str:
        """What has to be in it; a line's end after the last line may be there or not."""
        return f"{self._sha256}\nsectigo.com\n{self.unique_value}"

    @property
    def label(self) -> str:
        """The label below which a name has its CNAME."""
        return f"_{self._md5}"

    @property
    def target(self) -> str:
        """What the CNAME has to say."""
        return f"{self._sha256[:32]}.{self._sha256[32:]}.{self.unique_value}.sectigo.com".lower()

    @property
    def _md5(self) -> str:
        return hashlib.md5(self.csr_der, usedforsecurity=False).hexdigest()

    @property
    def _sha256(self) -> str:
        return hashlib.sha256(self.csr_der).hexdigest()


@dataclass(frozen=True, slots=True)
class Validator:
    """Looks from each of its addresses at each address of a name. `cname` answers what a name's CNAME says."""

    resolve: Resolve
    sources: Sequence[str] = SOURCES
    cname: Callable[[str], str | None] = lambda _: None

    def file_faults(self, challenge: Challenge, names: Sequence[str]) -> Iterator[str]:
        """Yield what is wrong with the files, seen from everywhere."""
        for name in names:
            places = self.resolve(name)
            if not places:
                yield f"{name}: no address"
            for place in places:
                for source in self.sources:
                    if why := _look(challenge, name, place, source):
                        yield f"{name} at {place[0]}, asked from {source}: {why}"

    def cname_faults(self, challenge: Challenge, names: Sequence[str]) -> Iterator[str]:
        """Yield what is wrong with the CNAMEs."""
        for name in names:
            asked = f"{challenge.label}.{name.removeprefix('*.')}"
            result = self.cname(asked)
            if result is None or result.lower().rstrip(".") != challenge.target:
                yield f"{asked}: the CNAME says {result}, required is {challenge.target}"


def _look(challenge: Challenge, name: str, place: tuple[str, int], source: str) -> str | None:
    """Fetch the file once; return what is wrong with it, None where nothing is."""
    own = (source, 0) if ":" not in place[0] else None  # the sources are of IPv4
    connection = http.client.HTTPConnection(*place, timeout=_TIMEOUT_S, source_address=own)
    headers = {"Host": name, "User-Agent": USER_AGENT, "Connection": "close"}
    try:
        with contextlib.closing(connection):
            connection.request("GET", challenge.path, headers=headers)
            response = connection.getresponse()
            body = response.read(_MAX_BODY)
    except (OSError, http.client.HTTPException) as error:
        return str(error) or type(error).__name__
    if response.status != 200:
        return f"HTTP {response.status}"
    right = challenge.body.encode("ascii")
    return None if body in (right, right + b"\n") else f"the body is not the one required, it begins {body[:40]!r}"
