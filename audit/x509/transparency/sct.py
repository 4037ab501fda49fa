"""Reads lists of signed certificate timestamps (RFC 6962 3.2, 3.3), wherever a list comes from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final

from audit.x509.raw import split_prefixed

_V1: Final = 0
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_HEAD: Final = 1 + 32 + 8  # version, log id, timestamp


class SctOrigin(StrEnum):
    """How a client receives an SCT (RFC 6962 3.3)."""

    CERTIFICATE = "the certificate"
    TLS = "the TLS handshake"
    OCSP = "the stapled OCSP response"


@dataclass(frozen=True, slots=True)
class Sct:
    """One timestamp of version 1. `algorithm` are the numbers of digest and signature (RFC 5246 7.4.1.4.1)."""

    origin: SctOrigin
    log_id: bytes
    milliseconds: int  # since 1970, UTC, without leap seconds
    extensions: bytes
    algorithm: tuple[int, int]
    signature: bytes

    @property
    def is_embedded(self) -> bool:
        """Whether it is in the certificate."""
        return self.origin is SctOrigin.CERTIFICATE

    def is_before(self, moment: datetime) -> bool:
        """Return whether it was issued before an instant; a timestamp that no date can hold was not."""
        return self.milliseconds < (moment - _EPOCH) / timedelta(milliseconds=1)

    def __str__(self) -> str:
        """Return the beginning of the log's id, and how the SCT is received."""
        return f"the SCT of log {self.log_id.hex()[:16]}… in {self.origin}"


@dataclass(frozen=True, slots=True)
class SctList:
    """The timestamps of one list, and one message per entry that browsers ignore."""

    scts: tuple[Sct, ...] = ()
    ignored: tuple[str, ...] = ()


def read_scts(octets: bytes, origin: SctOrigin) -> SctList:
    """Read a SignedCertificateTimestampList; raises ValueError if the list itself is malformed.

    Nothing at all is a list without entries.
    """
    scts, ignored = list[Sct](), list[str]()
    for entry in _entries(octets):
        if entry[:1] != bytes((_V1,)):
            version = f"of version {entry[0] + 1}" if entry else "without a byte"
            ignored.append(f"an SCT {version} in {origin}; browsers accept version 1")
        elif (sct := _read(entry, origin)) is None:
            ignored.append(f"an SCT in {origin} cannot be read")
        else:
            scts.append(sct)
    return SctList(tuple(scts), tuple(ignored))


def _entries(octets: bytes) -> Iterator[bytes]:
    if not octets:
        return
    lists = split_prefixed(octets)
    if len(lists) != 1:
        raise ValueError("bytes follow a list of signed certificate timestamps")
    yield from split_prefixed(lists[0])


def _read(entry: bytes, origin: SctOrigin) -> Sct | None:
    extensions, rest = _prefixed_part(entry[_HEAD:])
    signature, trailing = _prefixed_part(rest[2:])
    if extensions is None or signature is None or trailing:
        return None
    return Sct(origin, entry[1:33], int.from_bytes(entry[33:_HEAD]), extensions, (rest[0], rest[1]), signature)


def _prefixed_part(octets: bytes) -> tuple[bytes | None, bytes]:
    """Return what a length of two octets covers, and what follows; None if it is cut short."""
    end = 2 + int.from_bytes(octets[:2])
    return (octets[2:end], octets[end:]) if 2 <= end <= len(octets) else (None, b"")
