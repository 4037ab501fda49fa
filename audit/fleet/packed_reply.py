"""Packs the replies of a chunk for another machine: large CRLs and OCSP responses cross once, and not per endpoint."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from audit.fleet.chunk import EndpointReply
from audit.json_codec import BadRecord, compact

CONTENT: Final = b"content:"
"""The begin of a line with a CRL or OCSP response in base64; the other lines are JSON."""
CONTENT_IN: Final = "content_in"
"""The key in the place of a content: the SHA-256 of its base64."""
_INLINE: Final = 8_192  # characters of base64
_LEVEL: Final = 1  # a tenth of the size for a twentieth of the time that judging takes


def pack_reply(replies: Iterable[EndpointReply]) -> bytes:
    """Return the reply of a worker, compressed: a line for each large content, then one for each endpoint."""
    contents, lines = dict[str, bytes](), list[bytes]()
    for reply in replies:
        lines.append(_without_contents(reply, contents).to_line().encode())
    return zlib.compress(b"\n".join([*(CONTENT + content for content in contents.values()), *lines]), _LEVEL)


def unpacked(reply: bytes, most_bytes: int) -> bytes:
    """Return the lines of a reply; raises BadRecord if they are more than this, or not compressed."""
    decompression = zlib.decompressobj()
    try:
        content = decompression.decompress(reply, most_bytes + 1)
    except zlib.error as error:
        raise BadRecord("it is not compressed with zlib") from error
    if len(content) > most_bytes:
        raise BadRecord(f"it has more than {most_bytes} bytes")
    if not decompression.eof:
        raise BadRecord("its end is missing")
    return content


def digest_of(content: bytes) -> str:
    """Return the name of a content: the SHA-256 of its base64."""
    return hashlib.sha256(content).hexdigest()


def _without_contents(reply: EndpointReply, contents: dict[str, bytes]) -> EndpointReply:
    """Return a reply whose observation names its large contents, which are added to those of the chunk."""
    if len(reply.observation) <= _INLINE:
        return reply
    observation = json.loads(reply.observation)
    for response in observation["revocation"] or ():
        content = response["content"]
        if content is not None and len(content) > _INLINE:
            name = digest_of(content.encode())
            contents.setdefault(name, content.encode())
            response.update({"content": None, CONTENT_IN: name})
    return replace(reply, observation=compact(observation))
