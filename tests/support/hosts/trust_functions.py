"""Runs the functions of `shell/trust` as a host does: in each shell, as root or as an unprivileged user."""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Final

from audit.host.trust import TRUST
from tests.support.hosts.overlay import layer_of

EVE: Final = 61_234  # the attacker: a user without rights, and without an entry in /etc/passwd
TOOLS: Final = layer_of("main").upper / "usr" / "bin"
BUSYBOX: Final = TOOLS / "busybox"
SHELLS: Final = ("dash", "busybox")
_SAY: Final = """
say() { if "$@"; then echo yes; else echo "no: $why"; fi; }
"""


def shell_words(shell: str) -> list[str]:
    """Return the words that start a shell."""
    return [str(BUSYBOX), "sh"] if shell == "busybox" else [f"/bin/{shell}"]


@cache
def path_of(shell: str) -> str:
    """Return the PATH of a shell: busybox has no commands but its own."""
    if shell != "busybox":
        return f"{os.defpath}:/usr/sbin:/sbin"
    folder = tempfile.mkdtemp(prefix="applets")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    Path(folder).chmod(0o755)
    applets = subprocess.run([str(BUSYBOX), "--list"], capture_output=True, text=True, check=True).stdout.split()
    for applet in applets:
        (Path(folder) / applet).symlink_to(BUSYBOX)
    return folder


def run_trust(
    script: str,
    shell: str = "dash",
    *,
    stdin: bytes = b"",
    uid: int = 0,
    path: str | None = None,
    timeout_s: float = 60,
) -> subprocess.CompletedProcess[str]:
    """Run a script with the functions of `shell/trust` before it, and `say`, which prints the answer to a question."""
    demote = ["/usr/bin/setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups"] if uid else []
    environment = {"PATH": path or path_of(shell), "LC_ALL": "C"}
    words = [*demote, *shell_words(shell), "-c", TRUST + _SAY + script]
    done = subprocess.run(words, input=stdin, capture_output=True, check=False, timeout=timeout_s, env=environment)
    return subprocess.CompletedProcess(
        words, done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
    )


def answer(script: str, shell: str = "dash", **how: int) -> str:
    """Return what a script prints on standard output."""
    return run_trust(script, shell, **how).stdout.strip()  # type: ignore[arg-type]  # only uid is given here


@contextmanager
def started(*words: str, env: Mapping[str, str] | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command as long as the context lasts, and read what it prints from `stdout`."""
    with subprocess.Popen(words, stdout=subprocess.PIPE, env=env) as process:
        try:
            yield process
        finally:
            process.kill()


def as_user(uid: int, *words: str) -> subprocess.CompletedProcess[bytes]:
    """Run a command as an unprivileged user."""
    demote = ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups"]
    return subprocess.run([*demote, *words], capture_output=True, check=True, timeout=30)


def give(path: Path, uid: int, gid: int | None = None, mode: int | None = None) -> Path:
    """Let a user own a path."""
    os.chown(path, uid, uid if gid is None else gid, follow_symlinks=False)
    if mode is not None:
        path.chmod(mode)
    return path
