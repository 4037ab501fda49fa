"""Commands of a repair on hosts. Their shell is in `shell/`, one directory a subject, checked by shellcheck."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from audit.host.trust import TRUST


@cache
def script(*names: str, package: str = "remediate.hosts") -> str:
    """Return the shell of these files (`key/make_key`) of a package, in order, without lines that hold only a comment.

    Comments are for readers of the files: a transport that takes a script as one argument has 128 KiB for it.
    """
    folder = files(package) / "shell"
    lines = (line for name in names for line in (folder / f"{name}.sh").read_text("utf-8").splitlines())
    return "".join(f"{line}\n" for line in lines if not line.lstrip().startswith("#"))


def trusted_script(*names: str) -> str:
    """Return the shell of these files after the functions that alone may trust, change or run anything on a host."""
    return TRUST + script(*names)
