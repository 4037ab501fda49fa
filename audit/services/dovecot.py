"""dovecot: reads `doveconf`, in the syntax of 2.3 (`ssl_cert = </path`) and 2.4 (`ssl_server_cert_file = /path`).

Only listeners, names (`local_name`) and files are read. Passwords stay on the host.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from audit.services.config_files import to_port
from audit.services.model import ANY, ConfigDump, Listener, NamedFile, Section, Service, pair

_NEEDED: Final = ("protocols", "listen", "ssl", "ssl_cert", "ssl_key", "ssl_server_cert_file", "ssl_server_key_file",
                  "port", "address", "ssl_alt_cert", "ssl_alt_key", "cert_file", "key_file")  # fmt: skip
_SERVICES: Final = {
    "imap-login": ("imap", {"imap": (143, False), "imaps": (993, True)}),
    "pop3-login": ("pop3", {"pop3": (110, False), "pop3s": (995, True)}),
    "submission-login": ("smtp", {"submission": (587, False), "submissions": (465, True)}),
}
_OPEN = re.compile(r"^(?P<kind>[a-z_0-9]+)(?:\s+(?P<name>[^{=]*?))?\s*\{(?P<rest>[^}]*)(?P<closed>\})?\s*$")


@dataclass(slots=True)
class DovecotBlock:
    """A block of settings while it is read: its kind and name, its settings, and the blocks in it."""

    kind: str = ""
    name: str = ""
    settings: dict[str, str] = field(default_factory=dict)
    blocks: list[DovecotBlock] = field(default_factory=list)

    def of(self, kind: str) -> Iterator[DovecotBlock]:
        """Yield the blocks of that kind."""
        return (block for block in self.blocks if block.kind == kind)


def read(dump: ConfigDump) -> tuple[Listener, ...]:
    """Return the listeners of imap, pop3 and submission: TLS from the start or by STARTTLS."""
    section = dump.sections.get("dump", Section("", None))
    text = section.text if section.rc == 0 else dump.text("files")
    if not text:
        return ()
    root = _parse(text)
    protocols = re.split(
        r"[\s,]+", root.settings.get("protocols", "imap pop3").strip('" ')
    )  # doveconf quotes the value
    listeners: list[Listener] = []
    for service, (protocol, default_ports) in _SERVICES.items():
        name = "submission" if protocol == "smtp" else protocol
        if name in protocols:
            listeners += _service_listeners(root, service, protocol, default_ports)
    return tuple(listeners)


def _service_listeners(
    root: DovecotBlock, service: str, protocol: str, default_ports: dict[str, tuple[int, bool]]
) -> Iterator[Listener]:
    blocks = [block for block in root.of("service") if block.name == service]
    listeners = {name: DovecotBlock("inet_listener", name) for name in default_ports}
    for block in blocks:
        for listener in block.of("inet_listener"):
            listeners.setdefault(
                listener.name, DovecotBlock("inet_listener", listener.name)
            ).settings |= listener.settings
    has_tls = root.settings.get("ssl", "yes") != "no"
    for name, listener in listeners.items():
        port, implicit = default_ports.get(name, (0, False))
        number = to_port(listener.settings.get("port", str(port)))
        implicit = listener.settings.get("ssl", "yes" if implicit else "no") == "yes"
        if number and (has_tls or not implicit):
            scheme = f"{protocol}s" if implicit else protocol
            yield from _listeners_by_name(root, scheme, number, _addresses(listener, root))


def _addresses(listener: DovecotBlock, root: DovecotBlock) -> tuple[str, ...]:
    text = listener.settings.get("address") or listener.settings.get("listen") or root.settings.get("listen") or "*, ::"
    addresses = [word for word in re.split(r"[\s,]+", text) if word]
    return tuple(ANY[0] if address == "*" else address.strip("[]") for address in addresses) or ANY


def _listeners_by_name(root: DovecotBlock, scheme: str, port: int, addresses: tuple[str, ...]) -> Iterator[Listener]:
    files, unread = _files(root, root)
    yield Listener(scheme, port, addresses, (), files, unread)
    for block in root.of("local_name"):
        for name in re.split(r"[\s,]+", block.name.strip('"')):
            files, unread = _files(block, root)
            if name and "*" not in name and files:
                yield Listener(scheme, port, addresses, (name,), files, unread)


def _files(block: DovecotBlock, root: DovecotBlock) -> tuple[tuple[NamedFile, ...], tuple[str, ...]]:
    files: list[NamedFile] = []
    unread: list[str] = []
    if root.settings.get("ssl") == "no":
        return (), ()
    for certificate, key in (("ssl_cert", "ssl_key"), ("ssl_alt_cert", "ssl_alt_key"),
                             ("ssl_server_cert_file", "ssl_server_key_file")):  # fmt: skip
        paths = [_path(block.settings.get(name, "")) for name in (certificate, key)]
        files += pair(*paths)
        unread += [
            f"dovecot has the value of {name} in its configuration, not in a file"
            for name, path in zip((certificate, key), paths, strict=True)
            if path is None and block.settings.get(name)
        ]
    return tuple(files), tuple(unread)


def _path(value: str) -> str | None:
    path = value.removeprefix("<").strip().strip('"')
    return path if path.startswith("/") else None


def _parse(text: str) -> DovecotBlock:
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
    key, equals, value = line.partition("=")
    if equals and key.strip() in _NEEDED:
        block.settings[key.strip()] = value.strip()


SERVICE: Final = Service("dovecot", ("dovecot",), ("-c",), read)
