"""What the whole checkout shares: `--lab`, to audit the embedded lab."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_sslaudit.plugin import OPTIONS, PREFIX

if TYPE_CHECKING:
    from tests.lab.lab import Lab


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--lab`."""
    text = "serve the embedded lab in this process and audit it, as the arguments in its lab.json would"
    parser.getgroup("sslaudit").addoption("--lab", action="store_true", help=text)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Serve the lab before the audit reads its settings; xdist's workers are told of it by the controller."""
    if not config.option.lab or hasattr(config, "workerinput"):
        return
    from tests.lab.lab import running  # noqa: PLC0415 - this file is also read where `tests` cannot be found

    stack = contextlib.ExitStack()
    config.add_cleanup(stack.close)
    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="lab-"))
    _ask_for(config, stack.enter_context(running(Path(folder))))


def _ask_for(config: pytest.Config, lab: Lab) -> None:
    """Give the lab's arguments as if they stood on the command line, beside what does stand there."""
    is_repeatable = {f"--audit-{flag}": repeatable for flag, _, repeatable, _ in OPTIONS}
    for flag, value in zip(lab.arguments[::2], lab.arguments[1::2], strict=True):
        name = PREFIX + flag.removeprefix("--audit-").replace("-", "_")
        given = getattr(config.option, name)
        setattr(config.option, name, [*(given or []), value] if is_repeatable[flag] else given or value)
