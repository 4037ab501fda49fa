"""WHM API 1 in shell: gives a certificate and its key to the panel, and reduces the panel's reply to a word.

A key is given on standard input if this `whmapi1` takes it there.
"""

from __future__ import annotations

import shlex
from functools import cache
from importlib.resources import files

from remediate.hosts import script


def whm_api(root: str, answers_s: int) -> str:
    """Return the shell functions `ask WANTED FUNCTION…`, `answered VERDICT`, `has_whm`, `put VERSION COUNT PATH…`."""
    return f"panel={shlex.quote(root)} whm_s={answers_s}\nreading={shlex.quote(_reply_reader())}\n{script('whm')}"


@cache
def _reply_reader() -> str:
    return (files("remediate.hosts") / "shell" / "whm_reply.awk").read_text("utf-8")
