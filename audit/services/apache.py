"""apache: the files that `-D DUMP_INCLUDES` lists, or those found by following its includes, read by virtual host.

It knows `Listen`, `VirtualHost` and the certificate directives, and refuses to evaluate `<If>` and macros.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import PurePosixPath
from typing import Final

from audit.services.configuration import absolute, split_files, unreadable
from audit.services.sections import Part, Reading, parse
from audit.services.service import ANY, ANY_IPV4, Dump, Listener, NamedFile, Service, pair

SCRIPT: Final = r"""
  [ -n "$bin" ] || return 0
  c=$(option -f) r=$(option -d)
  env=${bin##*/}; env=/etc/$env/envvars
  [ -n "$c$r" ] || { [ -r "$env" ] && . "$env"; }
  defines=$(printf "%s\n" "$words" | sed -n "s/^-D//p" | grep -v -e "^$" -e FOREGROUND -e NO_DETACH)
  set -- $limit "$bin" ${c:+-f "$c"} ${r:+-d "$r"}
  for n in $defines; do set -- "$@" -D "$n"; done
  section test "$@" -t
  section run_cfg "$@" -t -D DUMP_RUN_CFG
  section built "$bin" -V
  root=$("$bin" -V 2>/dev/null | sed -n "s/.*HTTPD_ROOT=\"\(.*\)\"/\1/p")
  [ -n "$c" ] || c=$("$bin" -V 2>/dev/null | sed -n "s/.*SERVER_CONFIG_FILE=\"\(.*\)\"/\1/p")
  case $c in /*) ;; *) c=${r:-$root}/$c ;; esac
  base=$(sed -n "s/^[ \t]*[Ss]erver[Rr]oot  *\"*\([^\"]*\)\"*/\1/p" "$c" | head -n 1)
  base=${base:-${r:-$root}}
  section base printf "%s\n" "$base"
  only="/^APACHE_/p"; section environment env; only=p
  pick="s/^[ \t]*[Ii]nclude\([Oo]ptional\)\{0,1\}[ \t][ \t]*\"*\([^\" \t]*\)\"*.*/\2/p"
  section files follow "$base" "$pick" "$c"
"""


def read(dump: Dump) -> tuple[Listener, ...]:
    """Return the TLS listeners of an apache configuration: the virtual hosts with `SSLEngine on`."""
    text = dump.text("files")
    files = split_files(text)
    if not files:
        return ()
    main = next(iter(files))
    base = dump.text("base").strip() or str(PurePosixPath(main).parent)
    words = dump.words
    defined = frozenset(after for word, after in pairwise(words) if word == "-D")
    joined = frozenset(word[2:] for word in words if word.startswith("-D") and len(word) > 2)
    variables = dict(line.split("=", 1) for line in dump.text("environment").splitlines() if line.startswith("APACHE_"))
    reading = Reading(files, base, defined | joined, _defines(text, variables))
    root = parse(reading, main)
    found = [
        listener
        for part in [root, *(part for part in root.parts if part.kind == "virtualhost")]
        for listener in _of_host(root, part, base)
    ]
    return tuple(replace(one, unread=(*one.unread, *unreadable(text))) for one in found)


def _defines(text: str, environment: dict[str, str]) -> dict[str, str]:
    defined = re.findall(r"^\s*Define\s+(\w+)\s+\"?([^\"\n]+?)\"?\s*$", text, re.MULTILINE | re.IGNORECASE)
    return environment | dict(defined)


def _of_host(root: Part, part: Part, base: str) -> Iterator[Listener]:
    engine = part.last("SSLEngine") or root.last("SSLEngine") or "off"
    if engine.lower() not in ("on", "optional"):
        return
    files = _files(part, base) or _files(root, base)
    odd = tuple(f"apache leaves {file.path!r} to its variables" for file in files if "${" in file.path)
    kept = tuple(file for file in files if "${" not in file.path)
    for port, addresses in _places(root, part):
        yield Listener("https", port, addresses, tuple(_names(part)), kept, odd)


def _files(part: Part, base: str) -> tuple[NamedFile, ...]:
    """Return the pairs of a host: the first key belongs to the first certificate, and one without holds its own."""
    certificates, keys, chains = (
        [absolute(base, arguments[0]) for arguments in part.values(name) if arguments and ":" not in arguments[0][:8]]
        for name in ("SSLCertificateFile", "SSLCertificateKeyFile", "SSLCertificateChainFile")
    )
    files: list[NamedFile] = []
    for index, certificate in enumerate(certificates):
        key = keys[index] if index < len(keys) else certificate
        files += pair(certificate, key, chains[-1] if chains and index == 0 else None)
    return tuple(files)


def _names(part: Part) -> Iterator[str]:
    for name in [part.last("ServerName") or "", *(alias for one in part.values("ServerAlias") for alias in one)]:
        bare = re.sub(r"^https?://|:\d+$", "", name)
        if bare and not re.search(r"[*?$]", bare):
            yield bare


def _places(root: Part, part: Part) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Yield where a virtual host answers: at the `Listen` sockets that its own addresses and ports take in."""
    listens = [place for arguments in root.values("Listen") if (place := _place(arguments[0]))]
    wanted = [place for argument in part.arguments if (place := _place(argument))] or [(None, None)]
    for port in dict.fromkeys(number for _, number in listens if number):
        bound = [address for address, number in listens if number == port]
        addresses = [
            address for on in bound for at, number in wanted if number in (None, port) for address in _meeting(on, at)
        ]
        if addresses:
            yield port, tuple(dict.fromkeys(addresses))


def _meeting(on: str | None, at: str | None) -> tuple[str, ...]:
    """Return the addresses that a socket (`on`) and a virtual host (`at`) have in common; None is every address."""
    if on is not None and at is not None and on != at:
        return ()
    one = at or on
    return ANY if one is None else (one,)


def _place(text: str) -> tuple[str | None, int | None] | None:
    """Split `443`, `*:443`, `192.0.2.1:443`, `[::]:443`, `_default_:443` and `192.0.2.1`; None for a name."""
    match = re.fullmatch(r"(?:(?P<host>\[[0-9a-fA-F:.]+\]|\*|_default_|[0-9.]+):)?(?P<port>\d+|\*)", text)
    if not match:
        bare = text.strip("[]")
        return (bare, None) if re.fullmatch(r"[0-9a-fA-F:.]*[.:][0-9a-fA-F:.]*", bare) else (
            (None, None) if text in ("*", "_default_") else None
        )  # fmt: skip
    host, port = match["host"], match["port"]
    address = None if host in (None, "*", "_default_", ANY_IPV4) else host.strip("[]")
    return address, None if port == "*" else int(port)


SERVICE: Final = Service("apache", ("apache2", "httpd"), SCRIPT, read)
