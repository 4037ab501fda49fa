"""nginx: `nginx -T`, or its files where that fails (no rights, no certificate), read as nginx nests and inherits.

It knows the directives that concern TLS and refuses to guess what a variable will hold, but for `$ssl_server_name`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Final

from audit.services.configuration import INCLUDE_DEPTH, absolute, included, split_files, unreadable
from audit.services.service import ANY_IPV4, ANY_IPV6, Dump, Listener, NamedFile, Service, pair

SCRIPT: Final = r"""
  [ -n "$bin" ] || return 0
  c=$(option -c) p=$(option -p)
  section test $limit "$bin" ${p:+-p "$p"} ${c:+-c "$c"} -t
  section dump $limit "$bin" ${p:+-p "$p"} ${c:+-c "$c"} -T -q && return 0
  [ -n "$c" ] || c=$("$bin" -V 2>&1 | sed -n "s/.*--conf-path=\([^ ]*\).*/\1/p")
  case $c in /*) ;; *) c=${p:-/etc/nginx}/$c ;; esac
  section files follow "${c%/*}" "s/^ *include  *\"*\([^;\"]*\)\"* *;.*/\1/p" "$c"
"""
_TOKEN = re.compile(
    r"""\s+|\#[^\n]*
    |(?P<mark>[{};])
    |"(?P<double>(?:\\.|[^"\\])*)"
    |'(?P<single>(?:\\.|[^'\\])*)'
    |(?P<bare>(?:\\.|\$\{[^}]*\}|[^\s;{}"'\\])(?:\\.|\$\{[^}]*\}|[^\s;{}\\])*)
    |.""",
    re.VERBOSE | re.DOTALL,
)
_MAIL: Final = {"imap": ("imaps", "imap"), "pop3": ("pop3s", "pop3"), "smtp": ("smtps", "smtp")}


@dataclass(frozen=True, slots=True)
class Directive:
    """A directive with its arguments and, where it opens a block, the directives in it."""

    name: str
    arguments: tuple[str, ...]
    block: tuple[Directive, ...] = ()


@dataclass(frozen=True, slots=True)
class Listen:
    """One `listen`: where, and whether it is TLS by its own word."""

    addresses: tuple[str, ...]
    port: int
    is_tls: bool


def read(dump: Dump) -> tuple[Listener, ...]:
    """Return the TLS listeners of an nginx configuration."""
    text = dump.text("dump") if "# configuration file " in dump.text("dump") else dump.text("files")
    files = split_files(text)
    if not files:
        return ()
    main = next(iter(files))
    base = str(PurePosixPath(main).parent)
    tree = tuple(_parse(files, base, main, 0))
    found = [
        listener
        for kind in ("http", "stream", "mail")
        for context in _all(tree, kind)
        for listener in _read_context(kind, context, base)
    ]
    return tuple(replace(listener, unread=(*listener.unread, *unreadable(text))) for listener in found)


def _read_context(kind: str, context: Directive, base: str) -> Iterator[Listener]:
    servers = _all(context.block, "server")
    listens = {id(server): tuple(_listens(server)) for server in servers}
    # `ssl` on one server's socket holds for every server on that socket
    tls = {(one.addresses, one.port) for found in listens.values() for one in found if one.is_tls}
    for server in servers:
        if _last(server, context, "ssl_reject_handshake") == "on":
            continue
        legacy = _last(server, context, "ssl") == "on"  # until nginx 1.25
        for one in listens[id(server)]:
            scheme = _scheme(kind, server, context, is_tls=legacy or (one.addresses, one.port) in tls)
            if scheme:
                yield from _listeners(scheme, one, (server, context), base)


def _scheme(kind: str, server: Directive, context: Directive, *, is_tls: bool) -> str | None:
    if kind == "mail":
        implicit, explicit = _MAIL.get(_last(server, context, "protocol") or "", ("tls", "tls"))
        if is_tls:
            return implicit
        return explicit if _last(server, context, "starttls") in ("on", "only") else None
    return ("https" if kind == "http" else "tls") if is_tls else None


def _listeners(scheme: str, one: Listen, blocks: tuple[Directive, Directive], base: str) -> Iterator[Listener]:
    # ".example.com" is "example.com *.example.com" in short
    names = tuple(name.removeprefix(".") for name in _names(blocks[0]) if _is_concrete(name))
    certificates = _values(blocks, "ssl_certificate")
    keys = _values(blocks, "ssl_certificate_key")
    if any("$ssl_server_name" in path for path in certificates) and names:
        for name in names:  # one file a name: nginx puts in what the client asks for
            files, unread = _files(certificates, keys, base, name)
            yield Listener(scheme, one.port, one.addresses, (name,), files, unread)
        return
    files, unread = _files(certificates, keys, base, None)
    yield Listener(scheme, one.port, one.addresses, names, files, unread)


def _files(
    certificates: Iterable[str], keys: Iterable[str], base: str, name: str | None
) -> tuple[tuple[NamedFile, ...], tuple[str, ...]]:
    files: list[NamedFile] = []
    unread: list[str] = []
    for certificate, key in zip(certificates, keys, strict=False):
        paths = [path.replace("$ssl_server_name", name) if name else path for path in (certificate, key)]
        odd = [path for path in paths if "$" in path or path.startswith(("data:", "engine:", "store:"))]
        if odd:
            unread.append(f"nginx takes the certificate from {odd[0]!r}, known only while it serves")
        else:
            files += pair(*(absolute(base, path) for path in paths))
    return tuple(files), tuple(unread)


def _listens(server: Directive) -> Iterator[Listen]:
    found = [directive.arguments for directive in server.block if directive.name == "listen" and directive.arguments]
    for where, *options in found or [("80",)]:
        if where.startswith("unix:") or "quic" in options:  # no TCP
            continue
        match = re.fullmatch(r"(?:(?P<host>\[[^\]]*\]|[^:]*):)?(?P<port>\d+)", where)
        host, port = (match["host"], int(match["port"])) if match else (where, 80)
        yield Listen(_addresses(host, options), port, "ssl" in options)


def _addresses(host: str | None, options: list[str]) -> tuple[str, ...]:
    if host in (None, "", "*", ANY_IPV4):
        return (ANY_IPV4,)
    if host == f"[{ANY_IPV6}]":
        return (ANY_IPV4, ANY_IPV6) if "ipv6only=off" in options else (ANY_IPV6,)
    return (host.strip("[]"),) if host and host != "localhost" else ("127.0.0.1",)


def _names(server: Directive) -> list[str]:
    return [name for directive in server.block if directive.name == "server_name" for name in directive.arguments]


def _is_concrete(name: str) -> bool:
    """Return whether a server name is one name: no wildcard, expression or catch-all (`_` is a name of nobody)."""
    return name not in ("", "_", "localhost") and not re.search(r"[*~$]", name)


def _values(blocks: tuple[Directive, Directive], name: str) -> list[str]:
    for block in blocks:  # an inner block's certificates replace the outer's, they are not added to
        found = [one.arguments[0] for one in block.block if one.name == name and one.arguments]
        if found:
            return found
    return []


def _last(server: Directive, context: Directive, name: str) -> str | None:
    found = _values((server, context), name)
    return found[-1] if found else None


def _all(directives: Iterable[Directive], name: str) -> list[Directive]:
    return [directive for directive in directives if directive.name == name]


def _parse(files: Mapping[str, str], base: str, path: str, depth: int) -> Iterator[Directive]:
    tokens = iter(_tokens(files[path]))
    yield from _block(tokens, (files, base, depth))


def _block(tokens: Iterator[tuple[str, bool]], place: tuple[Mapping[str, str], str, int]) -> Iterator[Directive]:
    files, base, depth = place
    words: list[str] = []
    for word, is_mark in tokens:
        if not is_mark:
            words.append(word)
            continue
        if word == "{" and words:  # a block is read even where nobody asks: its end has to be found
            yield Directive(words[0], tuple(words[1:]), tuple(_block(tokens, place)))
        elif word == "}":
            return
        elif words[:1] == ["include"] and depth < INCLUDE_DEPTH:
            for path in included(files, base, words[1] if len(words) > 1 else ""):
                yield from _parse(files, base, path, depth + 1)
        elif words:
            yield Directive(words[0], tuple(words[1:]))
        words = []


def _tokens(text: str) -> Iterator[tuple[str, bool]]:
    for match in _TOKEN.finditer(text):
        if match["mark"]:
            yield match["mark"], True
        elif match.lastgroup:
            yield re.sub(r"\\([\"'\\{};#$ ])", r"\1", match[match.lastgroup]), False


SERVICE: Final = Service("nginx", ("nginx",), SCRIPT, read)
