"""Reads an inventory of ansible with a deadline, once in a run."""

from __future__ import annotations

import json
import shlex
import threading
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from audit.host.local_command import Command, run_bounded
from audit.host.login.failures import last_line
from audit.host.login.private_sockets import PrivateSockets


class SlowInventory(Exception):
    """An inventory was not read before its deadline."""


@dataclass(frozen=True, slots=True)
class InventoryReading:
    """How an inventory is read: its deadline, the event that stops the run, and what ends its program if that fails."""

    timeout_s: float
    stop: threading.Event
    sockets: PrivateSockets | None = None


@dataclass(frozen=True, slots=True)
class Inventories:
    """The inventories of a run. Each is read once, also if that fails. Safe for threads."""

    _outcomes: dict[str | None, Future[None]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def read(self, path: str | None, reading: InventoryReading) -> None:
        """Read an inventory for testinfra, which would wait without end if it hangs or prompts.

        Raises SlowInventory and RuntimeError. testinfra, which reads inventories for users' tests, waits for this.
        """
        from testinfra.utils.ansible_runner import AnsibleRunner  # noqa: PLC0415 - 60 ms that only an audit should cost

        runner = AnsibleRunner.get_runner(path)  # one per path and process
        with self._lock:
            is_first, outcome = path not in self._outcomes, self._outcomes.setdefault(path, Future())
        if is_first:
            _hold(runner, outcome)
            try:
                if "inventory" not in vars(runner):
                    runner.inventory = _listed(path, reading)
                outcome.set_result(None)
            except BaseException as error:  # noqa: BLE001 - raised in all threads that wait for it
                outcome.set_exception(error)
        outcome.result()


def _hold(runner: Any, outcome: Future[None]) -> None:  # noqa: ANN401 - testinfra is untyped
    """Make all who request the hosts of an inventory wait until it was read, and raise what that raised."""

    def get_hosts(pattern: str = "all") -> Any:  # noqa: ANN401 - as above
        outcome.result()
        return type(runner).get_hosts(runner, pattern)

    runner.get_hosts = get_hosts


def _listed(path: str | None, reading: InventoryReading) -> Any:  # noqa: ANN401 - any JSON
    command = f"ansible-inventory --list{f' -i {shlex.quote(path)}' if path else ''}"
    if reading.sockets:
        _ = reading.sockets.folder  # its watcher ends the program if the run is killed
    local = Command(command, environment={"ANSIBLE_VERBOSITY": "0"}, groups=reading.sockets)
    finished = run_bounded(local, reading.timeout_s, reading.stop)
    name = f"the inventory {path}" if path else "ansible's default inventory"
    if finished.cut == "timeout":
        raise SlowInventory(
            f"{name} was not read within {reading.timeout_s:g} s. Run `{command}`, or raise --audit-host-timeout."
        )
    if finished.cut:
        raise RuntimeError(f"{name} was not read: {finished.cut}")
    if finished.rc != 0:
        cause = last_line(finished.stderr.decode("utf-8", "replace")) or f"it ended with {finished.rc}"
        raise RuntimeError(f"{name}: {cause}")
    try:
        return json.loads(finished.stdout)
    except ValueError as error:
        raise RuntimeError(f"ansible-inventory printed what is not JSON: {error}") from error
