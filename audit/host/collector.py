"""Builds the collector: all that an audit runs on a host, as one program that a rule of sudo can name.

A login that may run only this program as root is audited like root's own login. A request is data that the program
verifies: it names the host and its services, the firewall, files by their path, or handshakes. For a file the program
prints whether it exists, its owner, mode and ACL, the certificates in it, and the digest of the public key in it. A
user with that right can read these facts about any path, because only the controller parses the configurations that
name the files. The user can run no other command, read no other content and write no file.
"""

from __future__ import annotations

import hashlib
import re
from functools import cache
from importlib.resources import files
from typing import Final

from audit.host.files import file_functions
from audit.host.http_validation import RULES, TOKEN_NAME, TOKENS
from audit.host.login import Collector
from audit.host.script import COMMAND_LIMIT_S, SECTION_BYTES, filled, inspection_script, shell_text
from audit.host.trust import TRUST
from audit.host.unknown_sockets import TRY
from audit.services import LAYOUTS, SERVICES, Service

PATH: Final = "/usr/local/sbin/sslaudit-collector"
"""The path of the program in the documentation."""


@cache
def _body(extensions: tuple[Service, ...]) -> str:
    collect = inspection_script((*SERVICES, *extensions), LAYOUTS).body
    known = next(iter(re.findall(r"services='([^']*)'", collect)))
    chosen = collect.replace(f"services='{known}'", "services=$wanted")
    parts = (
        f"known_services='{known}'\n",
        f"collect() {{\n{chosen}\n}}\n",
        f"load_files() {{\n{file_functions()}}}\n",
        f"token_name='{TOKEN_NAME}'\n",
        f"load_firewall() {{\n{RULES}}}\n",
        TOKENS,
        shell_text("proxy_relay"),
        shell_text("handshakes"),
        TRY,
    )
    return "".join(parts)


def collector_text(extensions: tuple[Service, ...] = ()) -> str:
    """Return the program, which also inspects these services of other distributions."""
    begin = (files("audit.host") / "shell" / "collector_begin.sh").read_text(encoding="utf-8")
    settings = f"version={collector_version(extensions)}\n{shell_text('settings')}limit_s={COMMAND_LIMIT_S}\n"
    framing = filled(shell_text("prologue"), BYTES=SECTION_BYTES)
    return f"{begin}{{\n{settings}{TRUST}{framing}{_body(extensions)}{shell_text('collector')}exit 0\n}}\n"


@cache
def collector_version(extensions: tuple[Service, ...] = ()) -> str:
    """Return the digest of the program: controller and host must agree on the sections it prints."""
    texts = (_body(extensions), TRUST, shell_text("prologue"), shell_text("settings"), shell_text("collector"))
    return hashlib.sha256("".join(texts).encode()).hexdigest()[:16]


def collector_at(path: str, extensions: tuple[Service, ...] = ()) -> Collector:
    """Return the collector at a path of a host."""
    return Collector(path, collector_version(extensions))
