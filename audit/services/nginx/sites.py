"""Returns nginx's websites of plain HTTP: which server answers where, from which folder, and where it logs requests.

A location is chosen as nginx does it; variables are not evaluated. What can only refuse a request (`deny`, a login,
`return` in an `if` that cannot be decided here) is ignored, because it makes no other folder serve.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from audit.observation.website import Docroot, Website
from audit.services.challenge_path import SAMPLES, aliased, takes
from audit.services.config_files import absolute
from audit.services.model import ConfigDump
from audit.services.nginx.syntax import Directive, listens, read_nginx_configuration, server_names, tls_sockets, values

_NO_FILE: Final = re.compile(r".+_pass|internal|stub_status|empty_gif|perl|js_content|(rewrite|content)_by_lua.*")
_OTHER_FOLDER: Final = re.compile(r"root|alias|.+_pass")
_KNOWN: Final = {"scheme": "http", "https": ""}
_SHOWN: Final = 100  # characters of a directive


class _Unserved(Exception):
    """No folder answers, or none that is known; its message says why."""


@dataclass(frozen=True, slots=True)
class _Location:
    """A location: how it is compared (`^~`, `~`, `~*` or nothing), with what, and its block."""

    how: str
    pattern: str
    directive: Directive


def read(dump: ConfigDump) -> tuple[Website, ...]:
    """Return the websites of an nginx configuration."""
    configuration = read_nginx_configuration(dump)
    if configuration is None:
        return ()
    unread = f"nginx's configuration is not known whole: {configuration.unread[0]}" if configuration.unread else ""
    prefix = _prefix(dump)
    return tuple(site for http in configuration.whole.all("http") for site in _websites(http, dump, prefix, unread))


def _prefix(dump: ConfigDump) -> str | None:
    """Return the folder that relative docroots are below."""
    started = re.search(r"(?:^|\n)-p\n?(/[^\n]+)", dump.text("words"))
    built = re.search(r"--prefix=(/\S*)", dump.text("built"))
    return (started or built or [None, None])[1]


def _websites(http: Directive, dump: ConfigDump, prefix: str | None, unread: str) -> Iterator[Website]:
    servers = http.all("server")
    bound = {id(server): tuple(listens(server)) for server in servers}
    tls = tls_sockets(bound)
    # `ssl on` (until nginx 1.25) makes all sockets of its server TLS
    legacy = {id(server) for server in servers if values((server, http), "ssl")[-1:] == ["on"]}
    outer = Directive("http", (), tuple(one for one in http.block if one.name != "server"))
    plain = [
        (server, address, one.port, one.is_default)
        for server in servers
        for one in bound[id(server)]
        if (one.addresses, one.port) not in tls and id(server) not in legacy
        for address in one.addresses
    ]
    defaults: dict[tuple[str, int], int] = {}
    for server, address, port, _ in sorted(plain, key=lambda one: not one[3]):  # the one that says so, else the first
        defaults.setdefault((address, port), id(server))
    sockets: dict[tuple[int, int, bool], list[str]] = {}
    for server, address, port, _ in plain:
        is_default = defaults[address, port] == id(server)
        sockets.setdefault((id(server), port, is_default), []).append(address)
    used = {id(server): server for server, *_ in plain}
    answers = {key: unread or _answer(server, outer, prefix) for key, server in used.items()}
    logs = {key: nginx_logs(_asked(server, outer), prefix, dump) for key, server in used.items()}
    for (key, port, is_default), addresses in sockets.items():
        answer, at, names = answers[key], tuple(dict.fromkeys(addresses)), _names(used[key])
        docroot, why = (None, answer) if isinstance(answer, str) else (answer, "")
        yield Website("nginx", "best", port, at, names, is_default, docroot, why, logs[key])


def _asked(server: Directive, http: Directive) -> list[Directive]:
    """Return the blocks that a validation comes to, from the inside out."""
    try:
        chain, _ = _find((_Location("", "", http), _Location("", "", server)), SAMPLES[0])
    except _Unserved:
        return [server, http]
    return [one.directive for one in reversed(chain)]


def _names(server: Directive) -> tuple[str, ...]:
    """Return the names of a server; `$hostname` is as little known here as what an expression takes."""
    names = (name if name.startswith("~") else name.lower() for name in server_names(server) if name not in ("", "_"))
    return tuple(f"~{name}" if "$" in name and not name.startswith("~") else name for name in names)


def _answer(server: Directive, http: Directive, prefix: str | None) -> Docroot | str:
    answers = {_answer_to(path, server, http, prefix) for path in SAMPLES}
    return answers.pop() if len(answers) == 1 else "nginx answers one file below it from elsewhere than another"


def _answer_to(path: str, server: Directive, http: Directive, prefix: str | None) -> Docroot | str:
    try:
        _require_not_sent_away(server, path)
        chain, _ = _find((_Location("", "", http), _Location("", "", server)), path)
        return _folder(chain, path, prefix)
    except _Unserved as why:
        return str(why)


def _find(chain: tuple[_Location, ...], path: str) -> tuple[tuple[_Location, ...], bool]:
    """Return the blocks from outside in that a path comes to, and whether an expression chose the last.

    The longest prefix is chosen, and in it likewise; then the first expression, unless the prefix forbids it.
    """
    locations = [_location(one) for one in chain[-1].directive.all("location") if one.arguments]
    prefixes = [one for one in locations if one.how in ("", "^~") and path.startswith(one.pattern)]
    best = max(prefixes, key=lambda one: len(one.pattern), default=None)
    found, is_final = _find((*chain, best), path) if best else (chain, False)
    if is_final or (best and best.how == "^~"):
        return found, is_final
    for one in locations:
        if one.how not in ("~", "~*"):
            continue
        taken = takes(one.pattern, path, ignores_case=one.how == "~*")
        if taken is None:
            raise _Unserved(f"whether nginx takes `{_shown(one.directive)}` for it cannot be told")
        if taken:
            return _find((*chain, one), path)[0], True
    return found, False


def _location(directive: Directive) -> _Location:
    first, *rest = directive.arguments
    if rest:
        return _Location(first, rest[0], directive)
    match = re.match(r"=|\^~|~\*?|@", first)  # they may be written together
    how = match[0] if match else ""
    return _Location(how, first[len(how) :], directive)


def _folder(chain: tuple[_Location, ...], path: str, prefix: str | None) -> Docroot:
    """Return the folder of the innermost block."""
    innermost = chain[-1].directive
    if len(chain) > 2:
        _require_not_sent_away(innermost, path)
    for one in innermost.block:
        if _NO_FILE.fullmatch(one.name):
            raise _instead(one)
    _require_tried(innermost)
    _require_not_denied(chain)
    for location in reversed(chain):
        for one in location.directive.block:
            if one.name in ("root", "alias") and one.arguments:
                return _placed(one, location, prefix)
    return _absolute("html", prefix)


def _placed(one: Directive, location: _Location, prefix: str | None) -> Docroot:
    target = one.arguments[0]
    if "$" in target:
        raise _Unserved(f"nginx works out the folder from {_shown(one)!r} while it serves")
    if one.name == "root":
        return _absolute(target, prefix)
    slash = "/" if target.endswith("/") else ""
    found = aliased(location.pattern, _absolute(target, prefix).folder + slash) if location.how in ("", "^~") else None
    if found is None:
        raise _Unserved(f"`{_shown(one)}` in `{_shown(location.directive)}` of nginx leads to no folder")
    return found


def _absolute(target: str, prefix: str | None) -> Docroot:
    if prefix is None and not target.startswith("/"):
        raise _Unserved(f"it is not known where {target!r} lies, from which nginx answers")
    return Docroot(absolute(prefix or "/", target))


def _require_not_sent_away(block: Directive, path: str) -> None:
    """Raise where a `return` or `rewrite` of a block, or of an `if` in it, comes before any file."""
    for one in block.block:
        if one.name == "break":
            return
        if one.name == "return" or (one.name == "rewrite" and _rewrites(one, path)):
            raise _instead(one)
        if one.name == "if":
            _require_if_harmless(one, path)


def _require_if_harmless(one: Directive, path: str) -> None:
    holds = _holds(one)
    if holds:
        _require_not_sent_away(one, path)
    if holds is False:
        return
    for inner in one.block:
        rewrites = inner.name == "rewrite" and not _leads_away(inner) and _rewrites(inner, path)
        if rewrites or _OTHER_FOLDER.fullmatch(inner.name):
            raise _Unserved(f"nginx may answer it by `{_shown(inner)}`: `{_shown(one)}` decides that while it serves")


def _holds(one: Directive) -> bool | None:
    """Return whether an `if` holds for every request in plain HTTP; None where that cannot be told."""
    match = re.fullmatch(r"\(\s*\$(scheme|https)\s*(!?=)\s*(\S*?)\s*\)", " ".join(one.arguments))
    return (_KNOWN[match[1]] == match[3]) == (match[2] == "=") if match else None


def _rewrites(one: Directive, path: str) -> bool:
    """Return whether a `rewrite` takes a path; an undecided one counts as one that does, unless it can only refuse."""
    taken = takes(one.arguments[0], path) if one.arguments else False
    if taken is None and not _leads_away(one):
        raise _Unserved(f"what `{_shown(one)}` of nginx makes of it cannot be told")
    return bool(taken)


def _leads_away(one: Directive) -> bool:
    """Return whether a `rewrite` can only send the client elsewhere, or answer with one fixed page."""
    target = "".join(one.arguments[1:2])
    is_redirect = one.arguments[2:] in (("redirect",), ("permanent",)) or re.match(r"https?://|\$scheme", target)
    return bool(is_redirect) or "$" not in target


def _require_tried(block: Directive) -> None:
    """Raise where `try_files` does not look for the file itself; what it looks for first is nearly never there."""
    for one in block.all("try_files"):
        if "$uri" not in one.arguments[:-1]:
            raise _instead(one)


def _require_not_denied(chain: tuple[_Location, ...]) -> None:
    """Raise where the innermost block with rules about addresses denies all."""
    for location in reversed(chain):
        rules = [one for one in location.directive.block if one.name in ("allow", "deny")]
        if rules:
            if (rules[0].name, rules[0].arguments) == ("deny", ("all",)):
                raise _instead(rules[0])
            return


def _instead(one: Directive) -> _Unserved:
    return _Unserved(f"nginx answers it by `{_shown(one)}`, not from a folder")


def _shown(one: Directive) -> str:
    text = str(one)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def nginx_logs(blocks: Iterable[Directive], prefix: str | None, dump: ConfigDump) -> tuple[str, ...]:
    """Return the files that requests are noted in, `*` for what nginx works out while it serves; blocks from inside.

    None where that is switched off. What is no file (syslog) is as it was written.
    """
    written = values(blocks, "access_log") or [_built_log(dump)]
    if "off" in written:
        return ()
    return tuple(dict.fromkeys(_log_path(word, prefix) for word in written))


def _built_log(dump: ConfigDump) -> str:
    match = re.search(r"--http-log-path=(\S+)", dump.text("built"))
    return match[1] if match else "logs/access.log"


def _log_path(word: str, prefix: str | None) -> str:
    if word.startswith("syslog:") or (prefix is None and not word.startswith("/")):
        return word
    return absolute(prefix or "/", re.sub(r"\$(\w+|\{\w+\})", "*", word))
