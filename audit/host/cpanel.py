"""Reads the state of a cPanel & WHM server: how the panel keeps its certificates valid.

The shell prints only the lines of the panel's files that are needed, and nothing on a host without the panel. The
checks judge the state.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from audit.host.http_validation import RULES, TOKENS, read_rules, read_tokens
from audit.host.trust import load_shell
from audit.observation.cpanel import CpanelState, Matter, Unread
from audit.observation.website import Docroot
from audit.services.model import Section

TOUCH_FILES: Final = (
    "/var/cpanel/ssl/disable_auto_hostname_certificate",
    "/var/cpanel/ssl/disable_service_certificate_management",
)
FOLDERS: Final = ("/var/www/html", "/usr/local/apache/htdocs")  # of EasyApache 4 and 3
_CANNOT: Final = "# cannot read "

_TOKEN_FOLDERS: Final = tuple(str(Docroot(folder)) for folder in FOLDERS)
_VARIABLES: Final = f"touch_files='{' '.join(TOUCH_FILES)}' token_folders='{' '.join(_TOKEN_FOLDERS)}'\n"
CPANEL_SCRIPT: Final = _VARIABLES + RULES + TOKENS + load_shell("audit.host", "cpanel")
"""The part of the first command that prints the panel's state."""
_LOCAL_PART: Final = r"[A-Za-z0-9_+][A-Za-z0-9_+!#$%&'*=?^{}~.-]{0,63}"  # less than RFC 5322 3.2.3: no pipe, no path
_DOMAIN: Final = r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?"
_ADDRESS: Final = re.compile(rf"{_LOCAL_PART}(?:@{_DOMAIN})?")
_MAX_ADDRESSES: Final = 20  # addresses of one host


def read_cpanel_state(sections: Mapping[str, Section]) -> CpanelState | None:
    """Return the state that the host reported, or None if it is not a cPanel server."""
    version = sections.get("cpanel", Section("", 1))
    if version.rc != 0 or not version.text.strip():
        return None
    user = _text(sections, "uid").strip() or "this login"
    firewall, hidden = read_rules(sections)
    return CpanelState(
        version.text.strip(),
        tuple(_lines(sections, "state.switches")),
        _contacts(sections),
        tuple(_lines(sections, "state.schedules")),
        read_tokens(_text(sections, "state.tokens")),
        firewall,
        (*_unread(sections, user), *(Unread("firewall", f"{user} {reason}") for reason in hidden)),
    )


def _text(sections: Mapping[str, Section], name: str) -> str:
    section = sections.get(name)
    return section.text if section else ""


def _lines(sections: Mapping[str, Section], name: str) -> Iterator[str]:
    lines = (line.strip() for line in _text(sections, name).splitlines())
    yield from (line for line in lines if line and not line.startswith(_CANNOT))


def _contacts(sections: Mapping[str, Section]) -> tuple[str, ...]:
    """Return the recipients of notifications: the panel's contact, else the addresses to which root's mail goes."""
    host = (_text(sections, "fqdn").strip().splitlines() or ["localhost"])[0]
    panel, forward = (
        "\n".join(line.partition(": ")[2] for line in _lines(sections, name))
        for name in ("state.panel", "state.forward")
    )
    return read_wwwacct(panel, host) or read_forward(forward, host)


def _unread(sections: Mapping[str, Section], user: str) -> Iterator[Unread]:
    """Yield each part that the login may not read, and each part whose output was cut off."""
    matters: tuple[tuple[Matter, tuple[str, ...]], ...] = (
        ("switches", ("state.switches",)),
        ("contacts", ("state.panel", "state.forward")),
        ("schedules", ("state.schedules",)),
        ("tokens", ("state.tokens",)),
    )
    for matter, names in matters:
        lines = "\n".join(_text(sections, name) for name in names).splitlines()
        denied = dict.fromkeys(line.removeprefix(_CANNOT) for line in lines if line.startswith(_CANNOT))
        yield from (Unread(matter, f"{user} may not read {path}") for path in denied)
        if any(sections.get(name, Section("", None)).rc is None for name in names):
            yield Unread(matter, "the host's response about it was cut off")


def is_address(text: str) -> bool:
    """Return whether a text is a mail address: `user@domain` or a local user, never an option or a command."""
    return _ADDRESS.fullmatch(text) is not None


def read_forward(text: str, host: str) -> tuple[str, ...]:
    """Return the addresses in a `.forward`; local users get the host's name as their domain.

    Files, pipes, lists and filters are not addresses and are skipped.
    """
    if re.match(r"#\s*(exim|sieve) filter", text, re.IGNORECASE):
        return ()
    lines = (line for line in text.splitlines() if not line.lstrip().startswith("#"))
    return _usable((part.strip().removeprefix("\\") for line in lines for part in line.split(",")), host)


def read_wwwacct(text: str, host: str) -> tuple[str, ...]:
    """Return the addresses of `CONTACTEMAIL` in a panel's `wwwacct.conf`: a name and a value a line."""
    values = re.findall(r"^[ \t]*CONTACTEMAIL[ \t]+(\S.*)$", text, re.MULTILINE)
    return _usable((part for value in values for part in re.split(r"[,;\s]+", value)), host)


def _usable(parts: Iterator[str], host: str) -> tuple[str, ...]:
    words = (part.strip().strip("\"'<>") for part in parts)
    full = (word if "@" in word else f"{word}@{host}" for word in words if is_address(word))
    return tuple(dict.fromkeys(full))[:_MAX_ADDRESSES]
