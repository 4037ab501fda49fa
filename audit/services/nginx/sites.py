"""Returns nginx's websites of plain HTTP: the servers, their sockets, their folders and their access logs.

Locations are selected as nginx selects them; variables are not evaluated. Directives that can only refuse a request
(`deny`, a login, `return` in an `if` that cannot be decided here) are ignored, because they never make nginx serve
another folder.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from audit.observation.website import Docroot, Website
from audit.services.challenge_path import SAMPLES, alias_docroot, expression_matches
from audit.services.config_files import absolute
from audit.services.model import ConfigDump
from audit.services.nginx.sockets import listen_sockets
from audit.services.nginx.syntax import Directive, read_nginx_configuration, server_names, values, without_servers

_NO_FILE: Final = re.compile(r".+_pass|internal|stub_status|empty_gif|perl|js_content|(rewrite|content)_by_lua.*")
_OTHER_FOLDER: Final = re.compile(r"root|alias|.+_pass")
_VALUES: Final = {"scheme": "http", "https": ""}
_SHOWN: Final = 100  # characters of a directive


class _NoDocroot(Exception):
    """nginx serves the path from no folder, or from one that is not known; the message says why."""


@dataclass(frozen=True, slots=True)
class _Location:
    """A location: its modifier (`^~`, `~`, `~*`, `=` or empty), its pattern, and its directive."""

    modifier: str
    pattern: str
    directive: Directive


def read(dump: ConfigDump) -> tuple[Website, ...]:
    """Return the websites of an nginx configuration."""
    configuration = read_nginx_configuration(dump)
    if configuration is None:
        return ()
    unread = (
        f"nginx's configuration could not be read completely: {configuration.unread[0]}" if configuration.unread else ""
    )
    prefix = _prefix(dump)
    return tuple(site for http in configuration.root.all("http") for site in _websites(http, dump, prefix, unread))


def _prefix(dump: ConfigDump) -> str | None:
    """Return the directory of relative docroots."""
    option = re.search(r"(?:^|\n)-p\n?(/[^\n]+)", dump.text("words"))
    built = re.search(r"--prefix=(/\S*)", dump.text("built"))
    return (option or built or [None, None])[1]


def _websites(http: Directive, dump: ConfigDump, prefix: str | None, unread: str) -> Iterator[Website]:
    servers, outer = http.all("server"), without_servers(http)
    # `ssl on` (until nginx 1.25) makes all sockets of its server TLS
    plain_servers = {id(server): server for server in servers if values((server, http), "ssl")[-1:] != ["on"]}
    listen_on = listen_sockets(servers, dump.ports)
    sockets: dict[tuple[int, int, bool], list[str]] = {}
    for key in plain_servers:
        for socket in (socket for socket in listen_on[key] if not socket.is_tls):
            sockets.setdefault((key, socket.port, socket.is_default), []).extend(socket.addresses)
    plain_servers = {key: plain_servers[key] for key, _, _ in sockets}
    docroots = {key: unread or _docroot(server, outer, prefix) for key, server in plain_servers.items()}
    logs = {key: nginx_logs(_validation_blocks(server, outer), prefix, dump) for key, server in plain_servers.items()}
    for (key, port, is_default), addresses in sockets.items():
        bound, names = tuple(dict.fromkeys(addresses)), _names(plain_servers[key])
        result = docroots[key]
        docroot, reason = (None, result) if isinstance(result, str) else (result, "")
        yield Website("nginx", "best", port, bound, names, is_default, docroot, reason, logs[key])


def _validation_blocks(server: Directive, http: Directive) -> list[Directive]:
    """Return the blocks that apply to the path of a validation, from the inside out."""
    try:
        blocks, _ = _select((_Location("", "", http), _Location("", "", server)), SAMPLES[0])
    except _NoDocroot:
        return [server, http]
    return [location.directive for location in reversed(blocks)]


def _names(server: Directive) -> tuple[str, ...]:
    """Return the names of a server; a name with a variable is not known here."""
    names = (name if name.startswith("~") else name.lower() for name in server_names(server) if name not in ("", "_"))
    return tuple(f"~{name}" if "$" in name and not name.startswith("~") else name for name in names)


def _docroot(server: Directive, http: Directive, prefix: str | None) -> Docroot | str:
    docroots = {_docroot_of_path(path, server, http, prefix) for path in SAMPLES}
    return docroots.pop() if len(docroots) == 1 else "nginx does not serve all files below it from one folder"


def _docroot_of_path(path: str, server: Directive, http: Directive, prefix: str | None) -> Docroot | str:
    try:
        _require_not_redirected(server, path)
        blocks, _ = _select((_Location("", "", http), _Location("", "", server)), path)
        return _folder(blocks, path, prefix)
    except _NoDocroot as reason:
        return str(reason)


def _select(blocks: tuple[_Location, ...], path: str) -> tuple[tuple[_Location, ...], bool]:
    """Return the blocks that apply to a path, from the outside in, and whether an expression selected the last.

    nginx selects the longest prefix, and the longest prefix in that location, and so on. Then it selects the first
    expression that matches, unless the prefix has `^~`.
    """
    locations = [_location(directive) for directive in blocks[-1].directive.all("location") if directive.arguments]
    prefixes = [
        location for location in locations if location.modifier in ("", "^~") and path.startswith(location.pattern)
    ]
    longest = max(prefixes, key=lambda location: len(location.pattern), default=None)
    selected, is_final = _select((*blocks, longest), path) if longest else (blocks, False)
    if is_final or (longest and longest.modifier == "^~"):
        return selected, is_final
    for location in locations:
        if location.modifier not in ("~", "~*"):
            continue
        matches = expression_matches(location.pattern, path, ignores_case=location.modifier == "~*")
        if matches is None:
            raise _NoDocroot(f"it is not known whether nginx selects `{_shown(location.directive)}` for it")
        if matches:
            return _select((*blocks, location), path)[0], True
    return selected, False


def _location(directive: Directive) -> _Location:
    first, *rest = directive.arguments
    if rest:
        return _Location(first, rest[0], directive)
    match = re.match(r"=|\^~|~\*?|@", first)  # the modifier and the pattern may be one word
    modifier = match[0] if match else ""
    return _Location(modifier, first[len(modifier) :], directive)


def _folder(blocks: tuple[_Location, ...], path: str, prefix: str | None) -> Docroot:
    """Return the folder of the innermost block."""
    innermost = blocks[-1].directive
    if len(blocks) > 2:
        _require_not_redirected(innermost, path)
    for directive in innermost.block:
        if _NO_FILE.fullmatch(directive.name):
            raise _served_by(directive)
    _require_file_tried(innermost)
    _require_not_denied(blocks)
    for location in reversed(blocks):
        for directive in location.directive.block:
            if directive.name in ("root", "alias") and directive.arguments:
                return _root_or_alias(directive, location, prefix)
    return _relative_docroot("html", prefix)


def _root_or_alias(directive: Directive, location: _Location, prefix: str | None) -> Docroot:
    target = directive.arguments[0]
    if "$" in target:
        raise _NoDocroot(f"nginx derives the folder from {_shown(directive)!r} at run time")
    if directive.name == "root":
        return _relative_docroot(target, prefix)
    slash = "/" if target.endswith("/") else ""
    docroot = None
    if location.modifier in ("", "^~"):
        docroot = alias_docroot(location.pattern, _relative_docroot(target, prefix).folder + slash)
    if docroot is None:
        raise _NoDocroot(f"`{_shown(directive)}` in `{_shown(location.directive)}` of nginx does not lead to a folder")
    return docroot


def _relative_docroot(target: str, prefix: str | None) -> Docroot:
    if prefix is None and not target.startswith("/"):
        raise _NoDocroot(f"nginx serves {target!r}, but the directory that contains it is not known")
    return Docroot(absolute(prefix or "/", target))


def _require_not_redirected(block: Directive, path: str) -> None:
    """Raise if a `return` or `rewrite` of a block, or of an `if` in it, applies before nginx looks for a file."""
    for directive in block.block:
        if directive.name == "break":
            return
        if directive.name == "return" or (directive.name == "rewrite" and _rewrites(directive, path)):
            raise _served_by(directive)
        if directive.name == "if":
            _require_if_harmless(directive, path)


def _require_if_harmless(condition: Directive, path: str) -> None:
    is_met = _is_met(condition)
    if is_met:
        _require_not_redirected(condition, path)
    if is_met is False:
        return
    for directive in condition.block:
        rewrites = directive.name == "rewrite" and not _changes_no_folder(directive) and _rewrites(directive, path)
        if rewrites or _OTHER_FOLDER.fullmatch(directive.name):
            raise _NoDocroot(f"nginx may handle it by `{_shown(directive)}`, depending on `{_shown(condition)}`")


def _is_met(condition: Directive) -> bool | None:
    """Return whether an `if` applies to every request in plain HTTP, or None if that cannot be decided here."""
    match = re.fullmatch(r"\(\s*\$(scheme|https)\s*(!?=)\s*(\S*?)\s*\)", " ".join(condition.arguments))
    return (_VALUES[match[1]] == match[3]) == (match[2] == "=") if match else None


def _rewrites(rewrite: Directive, path: str) -> bool:
    """Return whether a `rewrite` applies to a path; raises if this is not decided and it may change the folder."""
    matches = expression_matches(rewrite.arguments[0], path) if rewrite.arguments else False
    if matches is None and not _changes_no_folder(rewrite):
        raise _NoDocroot(f"the effect of `{_shown(rewrite)}` of nginx is not known")
    return bool(matches)


def _changes_no_folder(rewrite: Directive) -> bool:
    """Return whether a `rewrite` can only redirect the client, or return one fixed page."""
    target = "".join(rewrite.arguments[1:2])
    is_redirect = rewrite.arguments[2:] in (("redirect",), ("permanent",)) or re.match(r"https?://|\$scheme", target)
    return bool(is_redirect) or "$" not in target


def _require_file_tried(block: Directive) -> None:
    """Raise if `try_files` does not try the file itself. Files that it tries before are assumed not to exist."""
    for directive in block.all("try_files"):
        if "$uri" not in directive.arguments[:-1]:
            raise _served_by(directive)


def _require_not_denied(blocks: tuple[_Location, ...]) -> None:
    """Raise if the innermost block with rules about addresses denies all."""
    for location in reversed(blocks):
        rules = [directive for directive in location.directive.block if directive.name in ("allow", "deny")]
        if rules:
            if (rules[0].name, rules[0].arguments) == ("deny", ("all",)):
                raise _served_by(rules[0])
            return


def _served_by(directive: Directive) -> _NoDocroot:
    return _NoDocroot(f"nginx handles it by `{_shown(directive)}`, not from a directory")


def _shown(directive: Directive) -> str:
    text = str(directive)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def nginx_logs(blocks: Iterable[Directive], prefix: str | None, dump: ConfigDump) -> tuple[str, ...]:
    """Return the log files of requests, with `*` for variables; the blocks are in the order from the inside out.

    The result is empty if logging is off. A log that is not a file (syslog) is returned as it is in the configuration.
    """
    targets = values(blocks, "access_log") or [_default_log(dump)]
    if "off" in targets:
        return ()
    return tuple(dict.fromkeys(_log_path(target, prefix) for target in targets))


def _default_log(dump: ConfigDump) -> str:
    match = re.search(r"--http-log-path=(\S+)", dump.text("built"))
    return match[1] if match else "logs/access.log"


def _log_path(target: str, prefix: str | None) -> str:
    if target.startswith("syslog:") or (prefix is None and not target.startswith("/")):
        return target
    return absolute(prefix or "/", re.sub(r"\$(\w+|\{\w+\})", "*", target))
