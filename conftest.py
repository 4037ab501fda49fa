"""What the whole checkout shares: `--lab`, to audit the embedded lab."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import pytest

from pytest_sslaudit.plugin import OPTIONS, PREFIX

ARGUMENTS: Final = pytest.StashKey[tuple[str, ...]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--lab`."""
    text = "serve the embedded lab in this process and audit it, as the arguments in its lab.json would"
    parser.getgroup("sslaudit").addoption("--lab", action="store_true", help=text)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Serve the lab before the audit reads its settings; a worker of xdist gets what the controller serves."""
    # with pytest 8 a run that a test starts loads this file after it has parsed its options
    if not config.getoption("lab", default=False):
        return
    if hasattr(config, "workerinput"):
        _ask_for(config, config.workerinput["lab"])
        return
    from tests.lab.lab import running  # noqa: PLC0415 - this file is also read where `tests` cannot be found

    stack = contextlib.ExitStack()
    config.add_cleanup(stack.close)
    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="lab-"))
    arguments = stack.enter_context(running(Path(folder))).arguments
    config.stash[ARGUMENTS] = arguments
    _ask_for(config, arguments)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:  # noqa: ANN401 - xdist has no types
    """Pass to a worker of xdist how to audit the lab: it parses the command line anew."""
    node.workerinput["lab"] = node.config.stash.get(ARGUMENTS, ())


def _ask_for(config: pytest.Config, arguments: Sequence[str]) -> None:
    """Give the lab's arguments as if they stood on the command line, beside what does stand there."""
    is_repeatable = {f"--audit-{flag}": repeatable for flag, _, repeatable, _ in OPTIONS}
    for flag, value in zip(arguments[::2], arguments[1::2], strict=True):
        name = PREFIX + flag.removeprefix("--audit-").replace("-", "_")
        given = getattr(config.option, name)
        setattr(config.option, name, [*(given or []), value] if is_repeatable[flag] else given or value)
