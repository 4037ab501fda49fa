"""Dumps for tests, made from a few sections, and short forms of listeners."""

from __future__ import annotations

from audit.services.model import ConfigDump, Listener, Section


def dump(ports: tuple[tuple[str, int], ...] = (), /, **sections: str) -> ConfigDump:
    """Return a dump whose commands all succeeded; `tls_certificate__www` stands for `tls_certificate:www`."""
    return ConfigDump({name.replace("__", ":"): Section(text) for name, text in sections.items()}, ports)


def paths(listener: Listener) -> list[tuple[str, str]]:
    """Return the files of a listener as pairs of kind and path."""
    return [(file.kind, file.path) for file in listener.files]


def brief(listeners: tuple[Listener, ...]) -> list[tuple[str, int, tuple[str, ...]]]:
    """Return scheme, port and names of each listener."""
    return [(listener.scheme, listener.port, listener.names) for listener in listeners]


def described(listeners: tuple[Listener, ...]) -> str:
    """Return a line for each listener: scheme, addresses, port, names, files, what is unread and PROXY protocol."""
    return "".join(f"{_line(listener)}\n" for listener in listeners)


def _line(listener: Listener) -> str:
    marks = {"certificate": "", "key": "key:", "chain": "chain:"}
    files = [f"{marks[kind]}{path}" for kind, path in paths(listener)]
    proxy_protocol = [] if listener.proxy_protocol == "never" else [f"PROXY protocol: {listener.proxy_protocol}"]
    parts = (listener.names, files, [f"unread: {reason}" for reason in listener.unread], proxy_protocol)
    words = [" ".join(part) for part in parts if part]
    return " | ".join([f"{listener.scheme} {','.join(listener.addresses)} {listener.port}", *words])
