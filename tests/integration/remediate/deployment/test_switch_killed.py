"""A switch that is killed before any of its commands leaves all old or all new files and can be repeated."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest

from remediate.deployment.replace import REPLACE
from remediate.deployment.versions import Version
from remediate.hosts.command import Command
from remediate.installers import CustomInstaller
from tests.support.crash_points import STRIDE
from tests.support.remediate.fake_host.session import run
from tests.support.remediate.fake_host.switch import Pair, Pairs, SwitchHost, new_switch_host, was_interrupted

_VERBS = ("mv", "cp", "ln", "rm", "mkdir", "chmod", "exec", "cat", "flock", "record_event", "run_shell", "durable")
_MOST_COMMANDS = 1000
_ACTS = " | ".join(f"'{verb} '*" for verb in _VERBS)
KILL = (
    f"set -T; n=0; acts() {{ case $1 in {_ACTS}) n=$((n + 1)); [ $n != %d ] || kill -KILL $$ $BASHPID ;; esac; }}\n"
    "trap 'acts \"$BASH_COMMAND\"' DEBUG\n"
)
"""bash: the shell ends before the command of that number that changes something, wherever in it that is."""


def staging(host: SwitchHost, pair: Pair) -> Command:
    return REPLACE.stage(host.file_set, Version(pair.certificate, "", str(pair.key_path)))


def killed_in_its_shell(command: Command, number: int) -> Command:
    """Return a command whose own shell is killed."""
    return replace(command, script=KILL % number + command.script)


def killed_after_its_start(command: Command, number: int) -> Command:
    """Return a start whose detached script is killed."""
    detached = next(word for word in command.arguments if "trap leave" in word)
    arguments = tuple(KILL % number + word if word is detached else word for word in command.arguments)
    before, start, after = command.script.partition("start_detached sh -c")
    assert start
    return replace(command, script=f"{before}start_detached bash -c{after}", arguments=arguments)


Kill = Callable[[Command, int], Command]


def survived(host: SwitchHost, pair: Pairs, command: Command) -> bool:
    """Run a command that is to be killed, run everything again, and return whether it came to its own end."""
    done = run(command, "bash")
    host.wait_until(lambda progress: progress.holder is None)
    interrupted = was_interrupted(host.progress())
    assert host.configured in (pair[0].contents, pair[1].contents)
    assert not host.certificate.parent.joinpath("sslaudit").exists()
    name = host.stage(pair[1])
    assert host.start(name, confirm_within_s=0).ok
    final = host.wait_for_end("confirmed")
    assert (final.live, final.proven) == (name, name)
    assert host.served == host.configured == pair[1].contents
    return done.status is not None and done.status >= 0 and not interrupted


def kill_everywhere(folder: Path, pair: Pairs, kill: Kill, reload: str | None) -> int:
    """Kill before one command in STRIDE, then run all again, until none is left; return about how many there were."""

    def once(number: int) -> bool:
        host = new_switch_host(folder / str(number), pair[0])
        name = host.stage(pair[1])
        command = kill(starting(host, name, reload), number)
        return survived(host, pair, command)

    with ThreadPoolExecutor(4) as pool:
        for first in range(1, _MOST_COMMANDS, 4 * STRIDE):
            if all(pool.map(once, range(first, first + 4 * STRIDE, STRIDE))):
                return first
    raise AssertionError(f"a switch of more than {_MOST_COMMANDS} commands, or one that is always killed")


def starting(host: SwitchHost, name: str, reload: str | None) -> Command:
    """Return the start of a switch that goes through, or of one whose service does not take the new files."""
    service = host.service if reload is None else CustomInstaller("gateway", reload_command=reload)
    return replace(host, service=service).starting(name, confirm_within_s=0)


def test_staging_killed_at_any_command_can_be_repeated(tmp_path: Path, pairs: Pairs) -> None:
    for number in count(1, STRIDE):
        host = new_switch_host(tmp_path / str(number), pairs[0])
        done = run(killed_in_its_shell(staging(host, pairs[1]), number), "bash")
        assert host.configured == pairs[0].contents
        host.stage(pairs[1])
        if done.status == 0:
            break
    assert number > 5


@pytest.mark.parametrize(
    ("kill", "reload"),
    [(killed_in_its_shell, None), (killed_after_its_start, None), (killed_after_its_start, "false")],
    ids=["start", "switch", "return"],
)
def test_switch_killed_at_any_command_can_be_repeated(
    tmp_path: Path, pairs: Pairs, kill: Kill, reload: str | None
) -> None:
    assert kill_everywhere(tmp_path, pairs, kill, reload) > 5
