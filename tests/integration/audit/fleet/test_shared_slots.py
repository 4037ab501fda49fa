"""Processes share the limit per address, and one that is killed leaves its slots to the others."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from audit.fleet.shared_slots import SharedSlots
from audit.probe.thread_pool import BoundedThreadPool, Job

KEY = "192.0.2.7"
HOLDING = """
import pathlib, sys
from audit.fleet.shared_slots import SharedSlots
slots = SharedSlots(pathlib.Path(sys.argv[1]), 2)
print(*(slots.take(sys.argv[2]) for _ in range(int(sys.argv[3]))), flush=True)
sys.stdin.readline()
slots.free(sys.argv[2])
print("freed", flush=True)
sys.stdin.readline()
"""


@contextlib.contextmanager
def holding(file: Path, count: int) -> Iterator[subprocess.Popen[str]]:
    """Run a process that has taken so many slots."""
    command = [sys.executable, "-c", HOLDING, str(file), KEY, str(count)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            assert process.stdout.readline().split() == ["True"] * count
            yield process
        finally:
            process.kill()


@pytest.fixture
def slots(tmp_path: Path) -> Iterator[SharedSlots]:
    """Return the slots of this process, two of each key."""
    slots = SharedSlots(tmp_path / "slots", 2)
    yield slots
    slots.close()


def test_processes_share_the_slots_of_a_key(slots: SharedSlots, tmp_path: Path) -> None:
    with holding(tmp_path / "slots", 1):
        assert [slots.take(KEY), slots.take(KEY), slots.take("192.0.2.8")] == [True, False, True]
        slots.free(KEY)
        assert slots.take(KEY)


def test_slot_that_is_freed_can_be_taken_elsewhere(slots: SharedSlots, tmp_path: Path) -> None:
    with holding(tmp_path / "slots", 2) as process:
        assert not slots.take(KEY)
        assert process.stdin
        assert process.stdout
        process.stdin.write("\n")
        process.stdin.flush()
        assert process.stdout.readline() == "freed\n"
        assert [slots.take(KEY), slots.take(KEY)] == [True, False]


def test_killed_process_leaves_its_slots(slots: SharedSlots, tmp_path: Path) -> None:
    with holding(tmp_path / "slots", 2) as process:
        assert not slots.take(KEY)
        process.kill()
        process.wait()
        assert [slots.take(KEY), slots.take(KEY), slots.take(KEY)] == [True, True, False]


def test_job_waits_for_a_slot_that_another_process_has(slots: SharedSlots, tmp_path: Path) -> None:
    ended, never = list[str](), threading.Event()
    pool = BoundedThreadPool(4, 2, threading.Event(), slots)
    with holding(tmp_path / "slots", 2) as process:

        def end(name: str, _: None) -> None:
            ended.append(name)
            process.kill()  # only now the first address is free

        for name in (KEY, KEY, KEY, "192.0.2.8"):
            pool.submit(Job(name, lambda: None, partial(end, name)))
        pool.run(never)
        pool.shutdown()
    assert ended == ["192.0.2.8", KEY, KEY, KEY]
    assert [slots.take(KEY), slots.take(KEY)] == [True, True]
