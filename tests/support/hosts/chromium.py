"""Chromium out of its overlay, for tests that look at a page: it sees files below /tmp, and no network at all."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.hosts import roots
from tests.support.hosts.overlay import layer_of

if TYPE_CHECKING:
    from playwright.sync_api import Browser


def executable() -> Path:
    """Write a program that starts Chromium and ends all its processes when it ends."""
    layer = layer_of("browser")
    words = shlex.join(
        [
            *roots.UNSHARE,
            "--net",
            "sh",
            "-euc",
            roots.BROWSE,
            "sh",
            str(layer.upper),
            str(layer.folder / "root"),
            "/usr/bin/chromium",
        ]
    )
    program = layer.folder / "chromium"
    program.write_text(f'#!/bin/sh\nexec {words} "$@"\n')
    program.chmod(0o755)
    return program


@contextmanager
def running_browser() -> Iterator[Browser]:
    """Start headless Chromium; it is ended on leaving."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - half a second that other tests need not pay

    with sync_playwright() as playwright:
        # root cannot have Chromium's own sandbox; the mounts and the missing network are one.
        browser = playwright.chromium.launch(executable_path=executable(), args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()
