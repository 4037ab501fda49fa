"""Returns the folder from which an apache virtual host answers below the path of a validation, or why there is none.

Aliases, redirects, proxies and rewriting are evaluated; macros are not expanded. `.htaccess`, `<Files>` and what can
only refuse a request (`Require`, a login, a conditional redirect) are ignored, because they make no other folder serve.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Final

from audit.observation.website import Docroot
from audit.services.apache.rewrite import Request, rewritten
from audit.services.apache.syntax import ApacheConfiguration
from audit.services.block_syntax import Block
from audit.services.challenge_path import SAMPLES, aliased, takes
from audit.services.config_files import absolute

_MATTERS: Final = re.compile(
    r"(script)?alias(match)?|documentroot|virtual\w+|redirect\w*|rewriterule|proxypass(match)?|sethandler|use"
)
_STATUS: Final = re.compile(r"permanent|temp|seeother|gone|\d{3}", re.IGNORECASE)
_REDIRECTS: Final = ("redirect", "redirectpermanent", "redirecttemp", "redirectmatch")
_SHOWN: Final = 100  # characters of a directive

ApacheDirective = tuple[str, tuple[str, ...]]


class _Unserved(Exception):
    """No folder answers, or none that is known; its message says why."""


@dataclass(frozen=True, slots=True)
class VirtualHost:
    """A virtual host, or the main server, at one port, and the path it is asked for."""

    part: Block
    configuration: ApacheConfiguration
    port: int
    path: str = SAMPLES[0]

    @property
    def parts(self) -> tuple[Block, ...]:
        """The blocks whose directives hold, the host's own first."""
        root = self.configuration.root
        return (self.part,) if self.part is root else (self.part, root)

    def directives(self, *wanted: str) -> Iterator[ApacheDirective]:
        """Yield the directives of these names, the host's own first."""
        yield from (one for part in self.parts for one in part.directives if one[0] in wanted)

    def sections(self, *kinds: str) -> Iterator[Block]:
        """Yield the sections of these kinds."""
        own = () if self.part is self.configuration.root else self.part.parts
        yield from (one for one in (*own, *self.configuration.sections) if one.kind in kinds)


def hosts_in(part: Block, configuration: ApacheConfiguration) -> list[Block]:
    """Return the virtual hosts that a part is, or makes as the use of a macro."""
    made = [inner for macro in _macros(configuration, part) for inner in macro.parts]
    return [one for one in (part, *made) if one.kind == "virtualhost"]


def folder_of(host: VirtualHost) -> Docroot | str:
    """Return the folder that a host answers from, or in a clause why there is none."""
    if host.configuration.unread:
        return f"apache's configuration is not known whole: {host.configuration.unread[0]}"
    found = {_folder(replace(host, path=path)) for path in SAMPLES}
    return found.pop() if len(found) == 1 else "apache answers one file below it from elsewhere than another"


def _folder(host: VirtualHost) -> Docroot | str:
    try:
        _require_known(host)
        _require_not_sent_away(host, host.directives(*_REDIRECTS))
        _require_not_proxied(host)
        alias = _alias(host)
        _require_not_rewritten(host, has_alias=alias is not None)
        _require_no_location(host)
        docroot = alias or _document_root(host)
        _require_plain_folder(host, docroot)
    except _Unserved as why:
        return str(why)
    return docroot


def _require_known(host: VirtualHost) -> None:
    """Raise where a macro, an `<If>` or the name that is asked for has a say."""
    if host.part.kind == "use":
        raise _Unserved(f"apache makes it of the macro `Use {' '.join(host.part.arguments)}`")
    if host.part.kind == "virtualhost" and any(re.search(r"[^\W\d_]", word) for word in _places_of(host.part)):
        raise _Unserved(f"apache binds `<VirtualHost {' '.join(host.part.arguments)}>` to a name")
    for one in host.sections("use"):
        macros = _macros(host.configuration, one)
        if not macros or any(map(_matters, macros)):
            raise _Unserved(f"apache puts the macro `Use {' '.join(one.arguments)}` there, which is not expanded here")
    for one in host.sections("if", "elseif", "else"):
        if _matters(one):
            raise _Unserved(f"apache decides it by `<{one.kind} {' '.join(one.arguments)}>` while it serves")
    for name, arguments in host.directives("virtualdocumentroot", "virtualdocumentrootip"):
        raise _Unserved(f"apache works out the folder from {_shown(name, arguments)} while it serves")


def _places_of(part: Block) -> Iterator[str]:
    """Yield the arguments of a virtual host that may be names: no addresses, and no words for all of them."""
    yield from (word for word in part.arguments if word.count(":") < 2 and not word.startswith(("_default_", "[")))


def _macros(configuration: ApacheConfiguration, use: Block) -> list[Block]:
    if use.kind != "use" or not use.arguments:
        return []
    name = use.arguments[0].lower()
    macros = [one for one in configuration.sections if one.kind == "macro" and one.arguments]
    return [one for one in macros if one.arguments[0].lower() == name]


def _matters(part: Block) -> bool:
    """Return whether anything in a section may lead a request elsewhere; a virtual host in it is one for itself."""
    inner = (one for one in part.parts if one.kind != "virtualhost")
    return any(_MATTERS.fullmatch(name) for name, _ in part.directives) or any(map(_matters, inner))


def _require_not_sent_away(
    host: VirtualHost, directives: Iterable[ApacheDirective], *, in_section: bool = False
) -> None:
    for name, arguments in directives:
        words = arguments[1:] if arguments and _STATUS.fullmatch(arguments[0]) else arguments
        if name == "redirectmatch":
            taken = bool(words and takes(words[0], host.path))
        else:
            taken = bool(words) and (_is_under(words[0], host.path) or (in_section and len(words) == 1))
        if taken:
            raise _instead(name, arguments)


def _require_not_proxied(host: VirtualHost) -> None:
    """Raise where a path is passed on, by the first that takes it; those of the main server come first."""
    passing = [one for part in reversed(host.parts) for one in part.directives if one[0].startswith("proxypass")]
    for name, arguments in passing:
        if name not in ("proxypass", "proxypassmatch") or len(arguments) < 2:
            continue
        taken = (_is_under if name == "proxypass" else takes)(arguments[0], host.path)
        if taken is None:
            raise _Unserved(f"whether apache answers it by {_shown(name, arguments)} cannot be told")
        if taken and arguments[1] == "!":
            return
        if taken:
            raise _instead(name, arguments)


def _alias(host: VirtualHost) -> Docroot | None:
    """Return the folder of the first alias that takes the path."""
    for name, arguments in host.directives("alias", "aliasmatch", "scriptalias", "scriptaliasmatch"):
        if len(arguments) < 2 or (_is_under if name.endswith("alias") else takes)(arguments[0], host.path) is False:
            continue
        target = arguments[1]
        slash = "/" if target.endswith("/") else ""
        found = aliased(arguments[0], absolute(host.configuration.base, target).rstrip("/") + slash)
        if name != "alias" or found is None or "${" in target:
            raise _Unserved(f"{_shown(name, arguments)} of apache leads to no folder that is known")
        return found
    return None


def _document_root(host: VirtualHost) -> Docroot:
    written = next((last for part in host.parts if (last := part.last("DocumentRoot"))), None)
    if written is None:
        raise _Unserved("apache has no DocumentRoot in its configuration, and the one it was built with is not known")
    if "${" in written:
        raise _Unserved(f"apache leaves the DocumentRoot {written!r} to its variables")
    return Docroot(absolute(host.configuration.base, written))


def _require_not_rewritten(host: VirtualHost, *, has_alias: bool) -> None:
    files = {f"%{{DOCUMENT_ROOT}}%{{REQUEST_{word}}}" for word in ("URI", "FILENAME") if not has_alias}
    variables = {**_variables(host), "REQUEST_FILENAME": host.path}  # not yet a file, where these rules are asked
    said = rewritten(_rules(host), Request(host.path, variables, frozenset(files)))
    if said:
        raise _Unserved(said)


def _rules(host: VirtualHost) -> list[ApacheDirective]:
    """Return the rewriting rules of a host; with the main server's where anything is said of inheriting them."""
    inherits = any("inherit" in word.lower() for _, words in host.directives("rewriteoptions") for word in words)
    parts = host.parts if inherits else (host.part,)
    is_on = any((part.last("RewriteEngine") or "off").lower() == "on" for part in parts)
    return [one for part in parts for one in part.directives] if is_on else []


def _variables(host: VirtualHost) -> dict[str, str]:
    return {
        "HTTPS": "off", "ENV:HTTPS": "", "REQUEST_SCHEME": "http", "SERVER_PORT": str(host.port),
        "REQUEST_METHOD": "GET", "REQUEST_URI": host.path, "QUERY_STRING": "",
    }  # fmt: skip


def _require_no_location(host: VirtualHost) -> None:
    """Raise where a `<Location>` that takes the path does more than to allow or refuse it."""
    for one in host.sections("location", "locationmatch"):
        is_expression, word = _subject(one)
        if (takes if is_expression else _is_under)(word, host.path) is not False:
            _require_plain(host, one, None)


def _require_plain_folder(host: VirtualHost, docroot: Docroot) -> None:
    """Raise where a `<Directory>` that the folder is in does more than to allow or refuse what is asked for."""
    file = f"{docroot}/{host.path.rpartition('/')[2]}"
    for one in host.sections("directory", "directorymatch"):
        is_expression, word = _subject(one)
        if (takes if is_expression else _is_under)(word, file) is not False:
            parts = file.split("/")[word.rstrip("/").count("/") + 1 :]
            _require_plain(host, one, None if is_expression else "/".join(parts))


def _subject(section: Block) -> tuple[bool, str]:
    """Return whether a section is for an expression, and what it is for."""
    is_expression = section.kind.endswith("match") or section.arguments[:1] == ("~",)
    words = section.arguments[1:] if section.arguments[:1] == ("~",) else section.arguments
    return is_expression, words[0] if words else ""


def _require_plain(host: VirtualHost, section: Block, below: str | None) -> None:
    """Raise where a section leads elsewhere; its rules see the path `below` its folder, and there is the file."""
    _require_not_sent_away(host, (one for one in section.directives if one[0] in _REDIRECTS), in_section=True)
    for name, arguments in section.directives:
        is_default = name == "sethandler" and "".join(arguments).lower() in ("none", "default-handler")
        if _MATTERS.fullmatch(name) and name != "rewriterule" and name not in _REDIRECTS and not is_default:
            raise _instead(name, arguments)
    if (section.last("RewriteEngine") or "off").lower() == "on":
        request = Request(below or "", _variables(host), frozenset({"%{REQUEST_FILENAME}"}))
        said = rewritten(section.directives, request)
        if said:
            raise _Unserved(said)
        if below is None and section.values("RewriteRule"):
            shown = _shown(f"<{section.kind}", section.arguments)
            raise _Unserved(f"what the rules in {shown} of apache make of it is not known")


def _is_under(prefix: str, path: str) -> bool:
    """Return whether a path is a prefix, or below it, part by part; `*` and `?` stand for anything but a slash."""
    if re.search(r"[*?]", prefix):
        wanted, parts = prefix.rstrip("/").split("/"), path.split("/")
        pairs = zip(parts, wanted, strict=False)
        return len(parts) >= len(wanted) and all(fnmatchcase(part, one.replace("[", "[[]")) for part, one in pairs)
    return path.startswith(prefix) and (prefix.endswith("/") or path[len(prefix) : len(prefix) + 1] in ("", "/"))


def _instead(name: str, arguments: tuple[str, ...]) -> _Unserved:
    return _Unserved(f"apache answers it by {_shown(name, arguments)}, not from a folder")


def _shown(name: str, arguments: tuple[str, ...]) -> str:
    text = " ".join((name, *arguments))
    return f"`{text if len(text) <= _SHOWN else f'{text[:_SHOWN]}…'}`"
