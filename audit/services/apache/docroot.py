"""Returns the folder from which an apache virtual host serves the path of a validation, or why there is none.

Aliases, redirects, proxies and rewriting are evaluated. `.htaccess`, `<Files>` and directives
that can only refuse a request (`Require`, a login, a conditional redirect) are ignored, because they never make apache
serve another folder.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Final

from audit.observation.website import Docroot
from audit.services.apache.rewrite import Request, rewrite_result
from audit.services.apache.syntax import ApacheConfiguration
from audit.services.block_syntax import Block
from audit.services.challenge_path import SAMPLES, alias_docroot, expression_matches
from audit.services.config_files import absolute

_RELEVANT: Final = re.compile(
    r"(script)?alias(match)?|documentroot|virtual\w+|redirect\w*|rewriterule|proxypass(match)?|sethandler|use"
)
_STATUS: Final = re.compile(r"permanent|temp|seeother|gone|\d{3}", re.IGNORECASE)
_REDIRECTS: Final = ("redirect", "redirectpermanent", "redirecttemp", "redirectmatch")
_SHOWN: Final = 100  # characters of a directive

ApacheDirective = tuple[str, tuple[str, ...]]


class _NoDocroot(Exception):
    """apache serves the path from no folder, or from one that is not known; the message says why."""


@dataclass(frozen=True, slots=True)
class VirtualHost:
    """A virtual host, or the main server, at one port, and the path of a request to it."""

    block: Block
    configuration: ApacheConfiguration
    port: int
    path: str = SAMPLES[0]

    @property
    def blocks(self) -> tuple[Block, ...]:
        """The blocks whose directives apply, the host's own first."""
        root = self.configuration.root
        return (self.block,) if self.block is root else (self.block, root)

    def directives(self, *names: str) -> Iterator[ApacheDirective]:
        """Yield the directives of these names, the host's own first."""
        yield from (directive for block in self.blocks for directive in block.directives if directive[0] in names)

    def sections(self, *kinds: str) -> Iterator[Block]:
        """Yield the sections of these kinds."""
        own = () if self.block is self.configuration.root else self.block.sections
        yield from (section for section in (*own, *self.configuration.sections) if section.kind in kinds)


def host_docroot(host: VirtualHost) -> Docroot | str:
    """Return the folder that a host serves, or a message that says why there is none."""
    if host.configuration.unread:
        return f"apache's configuration could not be read completely: {host.configuration.unread[0]}"
    docroots = {_docroot(replace(host, path=path)) for path in SAMPLES}
    return docroots.pop() if len(docroots) == 1 else "apache does not serve all files below it from one folder"


def _docroot(host: VirtualHost) -> Docroot | str:
    try:
        _require_decidable(host)
        _require_not_redirected(host, host.directives(*_REDIRECTS))
        _require_not_proxied(host)
        alias = _alias(host)
        _require_not_rewritten(host, has_alias=alias is not None)
        _require_no_location(host)
        docroot = alias or _document_root(host)
        _require_plain_folder(host, docroot)
    except _NoDocroot as reason:
        return str(reason)
    return docroot


def _require_decidable(host: VirtualHost) -> None:
    """Raise if the folder depends on a macro, an `<If>` or the name in the request."""
    block = host.block
    if block.kind == "virtualhost" and any(re.search(r"[^\W\d_]", word) for word in _possible_names(block)):
        raise _NoDocroot(f"apache binds `<VirtualHost {' '.join(block.arguments)}>` to a name")
    for arguments in block.values("use"):
        use = f"`Use {' '.join(arguments)}`"
        raise _NoDocroot(f"apache expands the macro {use} there, which cannot be evaluated here")
    for section in host.sections("if", "elseif", "else"):
        if _is_relevant(section):
            raise _NoDocroot(f"apache evaluates `<{section.kind} {' '.join(section.arguments)}>` at run time")
    for name, arguments in host.directives("virtualdocumentroot", "virtualdocumentrootip"):
        raise _NoDocroot(f"apache derives the folder from {_shown(name, arguments)} at run time")


def _possible_names(block: Block) -> Iterator[str]:
    """Yield the arguments of a virtual host that may be names: neither IPv6 addresses nor `_default_`."""
    yield from (word for word in block.arguments if word.count(":") < 2 and not word.startswith(("_default_", "[")))


def _is_relevant(block: Block) -> bool:
    """Return whether a section may change the folder; virtual hosts in it do not count, because they are separate."""
    sections = (section for section in block.sections if section.kind != "virtualhost")
    return any(_RELEVANT.fullmatch(name) for name, _ in block.directives) or any(map(_is_relevant, sections))


def _require_not_redirected(
    host: VirtualHost, directives: Iterable[ApacheDirective], *, in_section: bool = False
) -> None:
    for name, arguments in directives:
        words = arguments[1:] if arguments and _STATUS.fullmatch(arguments[0]) else arguments
        if name == "redirectmatch":
            applies = bool(words and expression_matches(words[0], host.path))
        else:
            applies = bool(words) and (_is_under(words[0], host.path) or (in_section and len(words) == 1))
        if applies:
            raise _served_by(name, arguments)


def _require_not_proxied(host: VirtualHost) -> None:
    """Raise if apache forwards the path. The first directive that applies decides; the main server's come first."""
    proxies = [
        directive
        for block in reversed(host.blocks)
        for directive in block.directives
        if directive[0].startswith("proxypass")
    ]
    for name, arguments in proxies:
        if name not in ("proxypass", "proxypassmatch") or len(arguments) < 2:
            continue
        applies = (_is_under if name == "proxypass" else expression_matches)(arguments[0], host.path)
        if applies is None:
            raise _NoDocroot(f"it is not known whether apache handles it by {_shown(name, arguments)}")
        if applies and arguments[1] == "!":
            return
        if applies:
            raise _served_by(name, arguments)


def _alias(host: VirtualHost) -> Docroot | None:
    """Return the folder of the first alias that applies to the path."""
    for name, arguments in host.directives("alias", "aliasmatch", "scriptalias", "scriptaliasmatch"):
        matches = _is_under if name.endswith("alias") else expression_matches
        if len(arguments) < 2 or matches(arguments[0], host.path) is False:
            continue
        target = arguments[1]
        slash = "/" if target.endswith("/") else ""
        docroot = alias_docroot(arguments[0], absolute(host.configuration.base, target).rstrip("/") + slash)
        if name != "alias" or docroot is None or "${" in target:
            raise _NoDocroot(f"{_shown(name, arguments)} of apache does not lead to a known folder")
        return docroot
    return None


def _document_root(host: VirtualHost) -> Docroot:
    path = next((last for block in host.blocks if (last := block.last("DocumentRoot"))), None)
    path = path or host.configuration.document_root  # the one that apache was built with
    if path is None:
        raise _NoDocroot("apache has no DocumentRoot in its configuration, and the one it was built with is not known")
    if "${" in path:
        raise _NoDocroot(f"the DocumentRoot {path!r} of apache contains an unknown variable")
    return Docroot(absolute(host.configuration.base, path))


def _require_not_rewritten(host: VirtualHost, *, has_alias: bool) -> None:
    files = {f"%{{DOCUMENT_ROOT}}%{{REQUEST_{suffix}}}" for suffix in ("URI", "FILENAME") if not has_alias}
    variables = {**_variables(host), "REQUEST_FILENAME": host.path}  # it is not a file yet when these rules apply
    reason = rewrite_result(_rules(host), Request(host.path, variables, frozenset(files)))
    if reason:
        raise _NoDocroot(reason)


def _rules(host: VirtualHost) -> list[ApacheDirective]:
    """Return the rewriting rules of a host, with the main server's if an option mentions inheritance."""
    inherits = any("inherit" in word.lower() for _, words in host.directives("rewriteoptions") for word in words)
    blocks = host.blocks if inherits else (host.block,)
    is_on = any((block.last("RewriteEngine") or "off").lower() == "on" for block in blocks)
    return [directive for block in blocks for directive in block.directives] if is_on else []


def _variables(host: VirtualHost) -> dict[str, str]:
    return {
        "HTTPS": "off", "ENV:HTTPS": "", "REQUEST_SCHEME": "http", "SERVER_PORT": str(host.port),
        "REQUEST_METHOD": "GET", "REQUEST_URI": host.path, "QUERY_STRING": "",
    }  # fmt: skip


def _require_no_location(host: VirtualHost) -> None:
    """Raise if a `<Location>` of the path does more than to allow or refuse the request."""
    for section in host.sections("location", "locationmatch"):
        is_expression, pattern = _pattern(section)
        if (expression_matches if is_expression else _is_under)(pattern, host.path) is not False:
            _require_plain(host, section, None)


def _require_plain_folder(host: VirtualHost, docroot: Docroot) -> None:
    """Raise if a `<Directory>` that contains the folder does more than to allow or refuse the request."""
    file = f"{docroot}/{host.path.rpartition('/')[2]}"
    for section in host.sections("directory", "directorymatch"):
        is_expression, pattern = _pattern(section)
        if (expression_matches if is_expression else _is_under)(pattern, file) is not False:
            components = file.split("/")[pattern.rstrip("/").count("/") + 1 :]
            _require_plain(host, section, None if is_expression else "/".join(components))


def _pattern(section: Block) -> tuple[bool, str]:
    """Return whether the pattern of a section is a regular expression, and the pattern."""
    is_expression = section.kind.endswith("match") or section.arguments[:1] == ("~",)
    words = section.arguments[1:] if section.arguments[:1] == ("~",) else section.arguments
    return is_expression, words[0] if words else ""


def _require_plain(host: VirtualHost, section: Block, relative_path: str | None) -> None:
    """Raise if a section changes the folder. Its rules see the path relative to its directory (None: not known)."""
    redirects = (directive for directive in section.directives if directive[0] in _REDIRECTS)
    _require_not_redirected(host, redirects, in_section=True)
    for name, arguments in section.directives:
        is_default = name == "sethandler" and "".join(arguments).lower() in ("none", "default-handler")
        if _RELEVANT.fullmatch(name) and name != "rewriterule" and name not in _REDIRECTS and not is_default:
            raise _served_by(name, arguments)
    if (section.last("RewriteEngine") or "off").lower() == "on":
        request = Request(relative_path or "", _variables(host), frozenset({"%{REQUEST_FILENAME}"}))
        reason = rewrite_result(section.directives, request)
        if reason:
            raise _NoDocroot(reason)
        if relative_path is None and section.values("RewriteRule"):
            shown = _shown(f"<{section.kind}", section.arguments)
            raise _NoDocroot(f"the effect of the rules in {shown} of apache is not known")


def _is_under(prefix: str, path: str) -> bool:
    """Return whether a path is a prefix or below it; `*` and `?` in the prefix match any characters except a slash."""
    if re.search(r"[*?]", prefix):
        patterns, components = prefix.rstrip("/").split("/"), path.split("/")
        pairs = zip(components, patterns, strict=False)
        return len(components) >= len(patterns) and all(
            fnmatchcase(component, pattern.replace("[", "[[]")) for component, pattern in pairs
        )
    return path.startswith(prefix) and (prefix.endswith("/") or path[len(prefix) : len(prefix) + 1] in ("", "/"))


def _served_by(name: str, arguments: tuple[str, ...]) -> _NoDocroot:
    return _NoDocroot(f"apache handles it by {_shown(name, arguments)}, not from a directory")


def _shown(name: str, arguments: tuple[str, ...]) -> str:
    text = " ".join((name, *arguments))
    return f"`{text if len(text) <= _SHOWN else f'{text[:_SHOWN]}…'}`"
