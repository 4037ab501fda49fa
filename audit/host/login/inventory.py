"""Reads an inventory of ansible with a deadline, once in a run."""

from __future__ import annotations

import json
import shlex
import threading
from dataclasses import dataclass, field
from typing import Any

from audit.host.local_command import Command, run_bounded
from audit.host.login.failures import last_line


@dataclass(frozen=True, slots=True)
class Inventories:
    """The inventories of a run. One that cannot be read is not tried again for the next host specification."""

    _failures: dict[str | None, str] = field(default_factory=dict)
    _one_at_a_time: threading.Lock = field(default_factory=threading.Lock)

    def read(self, path: str | None, timeout_s: float) -> None:
        """Read an inventory for testinfra, which would wait without end if it hangs or prompts; raises RuntimeError."""
        from testinfra.utils.ansible_runner import AnsibleRunner  # noqa: PLC0415 - 60 ms that only an audit should cost

        runner = AnsibleRunner.get_runner(path)  # one per path and process
        with self._one_at_a_time:
            if path in self._failures:
                raise RuntimeError(self._failures[path])
            if "inventory" in vars(runner):
                return
            try:
                runner.inventory = _listed(path, timeout_s)
            except RuntimeError as error:
                self._failures[path] = str(error)
                raise


def _listed(path: str | None, timeout_s: float) -> Any:  # noqa: ANN401 - any JSON
    inventory_option = f" -i {shlex.quote(path)}" if path else ""
    command = f"ANSIBLE_VERBOSITY=0 ansible-inventory --list{inventory_option}"
    finished = run_bounded(Command(command), timeout_s, threading.Event())
    if finished.cut:
        raise RuntimeError(f"ansible-inventory timed out after {timeout_s:g} s")
    if finished.rc != 0:
        raise RuntimeError(last_line(finished.stderr.decode("utf-8", "replace")) or f"it ended with {finished.rc}")
    try:
        return json.loads(finished.stdout)
    except ValueError as error:
        raise RuntimeError(f"ansible-inventory printed what is not JSON: {error}") from error
