"""Why a login did not come about: what ssh, sudo and the other programs say, put into one line with what to do.

It knows their words in the C locale, and refuses to guess from any others.
"""

from __future__ import annotations

import re
from typing import Final

from audit.observation import FailureKind, ProbeFailure, Stage

_LINE: Final = 200  # characters of what was said that are quoted

_REASONS: Final[tuple[tuple[str, FailureKind, str], ...]] = (
    (r"sudo: .*(password is required|terminal is required|must have a tty|askpass)", "sudo",
     "sudo wants a password: allow this login NOPASSWD, or log in as root"),
    (r"sudo: .*(not allowed|may not run|unknown user)|is not in the sudoers|not allowed to execute", "sudo",
     "sudo does not let this login run /bin/sh"),
    (r"sudo: (command )?not found|sudo: No such file", "no-command", "there is no sudo on the host: log in as root"),
    (r"Host key verification failed|HOST IDENTIFICATION HAS CHANGED|BadHostKey|not found in known_hosts", "host-key",
     "the host's key is unknown or has changed: compare it and put it into known_hosts"),
    (r"Permission denied|Authentication failed|AuthenticationException|Too many authentication|UNPROTECTED PRIVATE KEY",
     "denied", "the login was refused: which key or user may log in?"),
    (r"Could not resolve|Name or service not known|No address associated|Temporary failure in name resolution|gaierror",
     "unresolvable", "the host's name has no address"),
    (r"Connection refused|Unable to connect to port", "refused", "nothing answers at the login's port"),
    (r"timed out|TimeoutError|Operation timed out", "timeout", "the host did not answer in time"),
    (r"No route to host|Network is unreachable|Host is down", "unreachable", "there is no way to the host"),
    (r"must install paramiko|No module named 'paramiko'", "no-command", "install paramiko, or write ssh://HOST"),
    (r"ansible(-inventory)?: (command )?not found", "no-command", "install ansible to use its inventory"),
    (r"(sshpass|ssh|docker|podman|kubectl|oc|lxc|salt|chroot): (command )?not found|No module named", "no-command",
     "a program that this kind of login needs is not installed here"),
    (r"No such (container|file)|NotFound|is not running|no such container", "unresolvable", "there is no such host"),
    (r"Connection (to \S+ )?(closed|reset)|kex_exchange_identification|banner exchange", "closed",
     "the login's port closed the connection"),
)  # fmt: skip


def explain(shown: str, said: str, stage: Stage = "login") -> ProbeFailure | None:
    """Return the failure that a program's words mean, with the line that says so; None where we know none."""
    for pattern, kind, meaning in _REASONS:
        if re.search(pattern, said, re.IGNORECASE):
            return ProbeFailure(stage, kind, f"{shown}: {meaning} ({last_line(said, pattern)})")
    return None


def last_line(said: str, pattern: str = ".") -> str:
    """Return the last line that fits, cut to a readable length, without control characters."""
    lines = [line.strip() for line in said.splitlines() if re.search(pattern, line, re.IGNORECASE)]
    return re.sub(r"[^\x20-\x7e\xa0-\uffff]", "", lines[-1])[:_LINE] if lines else ""
