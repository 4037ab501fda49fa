"""Explains in one line why a login failed and what to do, from what ssh, sudo and others print in the C locale."""

from __future__ import annotations

import re
from typing import Final

from audit.observation import FailureKind, ProbeFailure, Stage

_LINE: Final = 200  # characters of a program's output that are quoted

_REASONS: Final[tuple[tuple[str, FailureKind, str], ...]] = (
    (r"sudo: .*must have a tty", "sudo",
     "sudo requires a terminal (requiretty): add 'Defaults:LOGIN !requiretty' to sudoers, or log in as root"),
    (r"account is (currently )?not available|account has expired|no logins? (is )?permitted", "denied",
     "the account of this login is closed (its shell is nologin, or it has expired): name another login"),
    (r"password has expired|password change required|required to change your password", "denied",
     "the password of this login has expired: change it, or name another login"),
    (r"allows sftp connections only|git-shell|restricted: cannot specify", "no-command",
     "this login has a shell that runs no commands: name a login with a POSIX shell"),
    (r"^Unmatched ['\"`]|: Event not found\.|^Illegal variable name\.|: Undefined variable\.", "no-command",
     "the shell of this login is csh, which cannot read the command: give it a POSIX shell (chsh -s /bin/sh)"),
    (r"sudo: .*(password is required|terminal is required|askpass)", "sudo",
     "sudo requires a password: allow this login NOPASSWD, or log in as root"),
    (r"sudo: .*(not allowed|may not run|unknown user)|is not in the sudoers|not allowed to execute", "sudo",
     "sudo does not let this login run /bin/sh"),
    (r"sudo: (command )?not found|sudo: No such file", "no-command", "there is no sudo on the host: log in as root"),
    (r"Host key verification failed|HOST IDENTIFICATION HAS CHANGED|BadHostKey|not found in known_hosts", "host-key",
     "the host's key is unknown or has changed: compare it and put it into known_hosts"),
    (r"Permission denied|Authentication failed|AuthenticationException|Too many authentication|UNPROTECTED PRIVATE KEY",
     "denied", "the login was refused: check its user and key"),
    (r"Could not resolve|Name or service not known|No address associated|Temporary failure in name resolution|gaierror",
     "unresolvable", "the host's name has no address"),
    (r"Connection refused|Unable to connect to port", "refused", "nothing responds at the login's port"),
    (r"timed out|TimeoutError|Operation timed out", "timeout", "the host did not respond in time"),
    (r"No route to host|Network is unreachable|Host is down", "unreachable", "there is no route to the host"),
    (r"must install paramiko|No module named 'paramiko'", "no-command", "install paramiko, or write ssh://HOST"),
    (r"ansible(-inventory)?: (command )?not found", "no-command", "install ansible to use its inventory"),
    (r"(sshpass|ssh|docker|podman|kubectl|oc|lxc|salt|chroot): (command )?not found|No module named", "no-command",
     "a program that this kind of login needs is not installed here"),
    (r"No such (container|file)|NotFound|is not running|no such container", "unresolvable", "the host does not exist"),
    (r"Connection (to \S+ )?(closed|reset)|kex_exchange_identification|banner exchange", "closed",
     "the login's port closed the connection"),
)  # fmt: skip


def explain(hostspec: str, output: str, stage: Stage = "login") -> ProbeFailure | None:
    """Return the failure that a program's output means, with the line that shows it; None if no pattern matches."""
    for pattern, kind, meaning in _REASONS:
        if re.search(pattern, output, re.IGNORECASE | re.MULTILINE):
            return ProbeFailure(stage, kind, f"{hostspec}: {meaning} ({last_line(output, pattern)})")
    return None


def last_line(output: str, pattern: str = ".") -> str:
    """Return the last line that matches, cut to a readable length, without control characters."""
    lines = [line.strip() for line in output.splitlines() if re.search(pattern, line, re.IGNORECASE)]
    return re.sub(r"[^\x20-\x7e\xa0-\uffff]", "", lines[-1])[:_LINE] if lines else ""


def redacted(hostspec: str) -> str:
    """Return a host specification without the password it may hold."""
    return re.sub(r"^((?:[\w-]+://)?[^:/@]*):[^/]*@", r"\1@", hostspec)
