"""Mutations of DER: random edits of octets, or of whole elements with correct lengths."""

from __future__ import annotations

import random
from functools import lru_cache
from typing import Final

from audit.x509.der import Element, elements
from tests.support.x509.paths import tlv

TAGS: Final = bytes.fromhex("0001020304050606090a0c13141617181a1e1f3031a0a1a2a3808182868700ff7f")
LENGTHS: Final = tuple(
    map(bytes.fromhex, ("00", "7f", "80", "8100", "820001", "84ffffffff", "ff", "8900000000000000007f"))
)
CONTENTS: Final = (
    *map(bytes.fromhex, ("", "00", "01", "7f", "80", "ff", "8000", "0500", "3000", "30800000")),
    b"\xff" * 300,
    b"\x7f" + b"\xff" * 2100,
    b"99991231235960Z",
    b"*" * 300,
    b"a." * 3000,
    b"\x30\x80" * 2000,
)
"""Contents for mutated elements: nothing, the ends of ranges, invalid times, and long repetitions."""

_BIT_STRING, _OCTET_STRING, _CONSTRUCTED = 0x03, 0x04, 0x20
_Place = tuple[int, ...]


def mutant(der: bytes, chance: random.Random) -> bytes:
    """Return bytes with one to three edits: a changed bit or octet, or octets removed, inserted or repeated."""
    content = bytearray(der)
    for _ in range(chance.choice((1, 1, 2, 3))):
        content = content or bytearray(1)
        place, kind = chance.randrange(len(content)), chance.random()
        if kind < 0.4:
            content[place] ^= 1 << chance.randrange(8)
        elif kind < 0.7:
            content[place] = chance.choice(TAGS)
        elif kind < 0.8:
            del content[place : place + chance.choice((1, 2, 5))]
        elif kind < 0.9:
            content[place:place] = chance.randbytes(chance.choice((1, 2, 5)))
        else:
            other = chance.randrange(len(content))
            content[place : place + 20] = content[other : other + 20]
    return bytes(content)


def rebuilt(der: bytes, chance: random.Random) -> bytes:
    """Return DER with one or two elements edited, and correct lengths of the elements around them."""
    for _ in range(chance.choice((1, 1, 2))):
        places = _places(der)
        if not places:
            return mutant(der, chance)
        place, other = chance.choice(places), chance.choice(places)
        der = _replaced(der, place, _edited(_at(der, place), _at(der, other).encoding, chance))
    return der


def _edited(element: Element, other: bytes, chance: random.Random) -> bytes:
    """Return the replacement of an element; `other` is another element of the same bytes."""
    tag, content, whole = element
    match chance.randrange(8):
        case 0:
            return tlv(chance.choice(TAGS), content)
        case 1:
            return bytes((tag,)) + chance.choice(LENGTHS) + content
        case 2:
            return tlv(tag, chance.choice(CONTENTS))
        case 3:
            return tlv(tag, mutant(content, chance))
        case 4:
            return b""
        case 5:
            return whole * chance.choice((2, 2, 40))
        case 6:
            return other
        case _:
            return tlv(tag, content * chance.choice((2, 50)))


@lru_cache(maxsize=64)
def _places(der: bytes) -> tuple[_Place, ...]:
    """Return the places of elements: the index among its siblings, for an element and each that contains it."""
    found, left = list[_Place](), [(place, element) for place, element in _children((), der)]
    while left and len(found) < 2000:
        place, element = left.pop()
        found.append(place)
        if len(place) < 20:
            left += _children(place, _within(element)[1])
    return tuple(found)


def _children(place: _Place, content: bytes) -> list[tuple[_Place, Element]]:
    try:
        return [((*place, index), element) for index, element in enumerate(elements(content))]
    except ValueError:
        return []


def _within(element: Element) -> tuple[bytes, bytes]:
    """Return the octets before the elements within an element, and the elements; OCTET STRINGs hold extensions."""
    tag, content, _ = element
    if tag == _BIT_STRING:  # the first octet counts the unused bits
        return content[:1], content[1:]
    return (b"", content) if tag & _CONSTRUCTED or tag == _OCTET_STRING else (content, b"")


def _at(der: bytes, place: _Place) -> Element:
    first, *rest = place
    element = elements(der)[first]
    return _at(_within(element)[1], tuple(rest)) if rest else element


def _replaced(der: bytes, place: _Place, whole: bytes) -> bytes:
    first, *rest = place
    found = elements(der)
    parts = [element.encoding for element in found]
    if rest:
        before, within = _within(found[first])
        whole = tlv(found[first].tag, before, _replaced(within, tuple(rest), whole))
    return b"".join((*parts[:first], whole, *parts[first + 1 :]))
