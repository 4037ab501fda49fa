"""Reads the blocks of dovecot's configuration, as `doveconf` prints it or as its files have it.

Only the settings of listeners, names and TLS are kept. Passwords stay on the host.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

_NEEDED: Final = frozenset((
    "dovecot_config_version", "protocols", "listen", "ssl", "port", "address", "haproxy", "protocol",
    "ssl_cert", "ssl_key", "ssl_alt_cert", "ssl_alt_key",
    "ssl_server_cert_file", "ssl_server_key_file", "ssl_server_alt_cert_file", "ssl_server_alt_key_file",
    "cert_file", "key_file", "alt_cert_file", "alt_key_file",
))  # fmt: skip
_PROTOCOLS: Final = ("imap", "pop3", "submission", "sieve", "lmtp")
_OPEN: Final = re.compile(
    r"^(?P<kind>[a-z_0-9]+)(?:\s+(?P<name>[^{=]*?))?\s*\{(?P<rest>[^}]*)(?P<closed>\})?\s*(?:#.*)?$"
)


@dataclass(slots=True)
class DovecotBlock:
    """A block of settings while it is read: its kind and name, its settings, and the blocks in it."""

    kind: str = ""
    name: str = ""
    settings: dict[str, str] = field(default_factory=dict)
    blocks: list[DovecotBlock] = field(default_factory=list)

    def of(self, kind: str, name: str | None = None) -> Iterator[DovecotBlock]:
        """Yield the blocks of that kind, or those of a name too."""
        return (block for block in self.blocks if block.kind == kind and name in (None, block.name))

    @property
    def is_24(self) -> bool:
        """Whether this is the whole configuration of a dovecot from version 2.4 on."""
        return "dovecot_config_version" in self.settings or "ssl_server_cert_file" in self.settings

    @property
    def has_every_listener(self) -> bool:
        """Whether this is the whole configuration with all defaults, as `doveconf` of 2.3 prints it.

        It then has all services, also those that no file names. `doveconf` of 2.4 prints no default listeners.
        """
        names = {block.name for block in self.of("service")}
        return {"anvil", "log"} <= names

    @property
    def protocols(self) -> frozenset[str]:
        """The protocols that this whole configuration switches on."""
        listed = self.settings.get("protocols", "" if self.is_24 else "imap pop3 lmtp")
        names = set(re.split(r"[\s,]+", listed.strip('" ')))
        for block in self.of("protocols"):
            for name, value in block.settings.items():
                (names.add if value == "yes" else names.discard)(name)
        return frozenset(names)


def parse_blocks(text: str) -> DovecotBlock:
    """Return the whole configuration as a block."""
    stack = [DovecotBlock()]
    for raw_line in text.splitlines():
        line = raw_line.strip()
        opening = _OPEN.match(line)
        if opening:
            block = DovecotBlock(opening["kind"], (opening["name"] or "").strip().strip('"'))
            stack[-1].blocks.append(block)
            _set(block, opening["rest"])
            if not opening["closed"]:
                stack.append(block)
        elif line == "}" and len(stack) > 1:
            _merge_ssl_server(stack.pop(), stack[-1])
        else:
            _set(stack[-1], line)
    return stack[0]


def _merge_ssl_server(block: DovecotBlock, parent: DovecotBlock) -> None:
    """Add the settings of a block `ssl_server { cert_file = … }` (2.4) to its parent as `ssl_server_cert_file = …`."""
    if block.kind == "ssl_server":
        parent.settings |= {f"ssl_server_{key}": value for key, value in block.settings.items()}


def _set(block: DovecotBlock, line: str) -> None:
    name, equals, rest = line.partition("=")
    key, value = name.strip(), re.split(r"\s#", rest, maxsplit=1)[0].strip()
    is_protocol = block.kind == "protocols" and key in _PROTOCOLS
    if not equals or not (key in _NEEDED or is_protocol or key.startswith("@")):
        return
    if key == "protocols":  # each protocol's own file adds to the list: `$protocols imap`
        value = value.replace("$protocols", block.settings.get(key, ""))
    block.settings[key] = value
