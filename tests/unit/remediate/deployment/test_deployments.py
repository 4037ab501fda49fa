"""Tests of the values of a deployment: located files, parsed queries, and the progress of a switch."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest

from audit.observation import InstalledFile
from remediate.cpanel.panel import Panel
from remediate.deployment import DEPLOYMENTS, Deployment, NotDeployable
from remediate.deployment.base import Inspection, Requirements
from remediate.deployment.cpanel import panel_deployment
from remediate.deployment.progress import Progress, SwitchEvent
from remediate.deployment.replace import REPLACE
from remediate.deployment.versions import FileSet, FileTarget, Part, Version
from remediate.execution.host_context import HostContext
from remediate.hosts.command import Command, CommandResult, Query
from remediate.hosts.workdir import HostWorkdir

WORKDIR = HostWorkdir("web1", "c4f3", "a test")
PEM = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
PANEL_FILE = "/var/cpanel/ssl/exim/myexim.crt"
FILES = FileSet(
    WORKDIR,
    (FileTarget("/etc/a.crt", frozenset({Part.LEAF, Part.CHAIN})), FileTarget("/etc/a.key", frozenset({Part.KEY}))),
)


def printed(*lines: str) -> CommandResult:
    return CommandResult(0, "".join(f"{line}\n" for line in lines))


def event(state: str, detail: str = "") -> SwitchEvent:
    return SwitchEvent(0, "v1", state, detail)


def certificate(path: str) -> InstalledFile:
    return InstalledFile(path, "certificate")


def test_host_without_a_panel_has_only_the_replacement_of_files() -> None:
    assert HostContext("web1").deployments == (REPLACE,)
    assert [on_host(None) for on_host in DEPLOYMENTS] == [None, REPLACE]


def test_host_with_a_panel_has_the_panel_before_files() -> None:
    panel = Panel()
    assert HostContext("web1", panel=panel).deployments == (panel_deployment(panel), REPLACE)


@pytest.mark.parametrize(
    ("deployment", "path", "located"),
    [
        (REPLACE, "/etc/a.crt", "/etc/a.crt"),
        (panel_deployment(Panel()), PANEL_FILE, "/var/cpanel/ssl/exim/exim.crt"),
        (panel_deployment(Panel()), "/etc/a.crt", None),
    ],
)
def test_panel_locates_its_files_by_default_paths_and_leaves_others(
    deployment: Deployment, path: str, located: str | None
) -> None:
    parts = frozenset({Part.LEAF, Part.CHAIN})
    expected = FileSet(WORKDIR, (FileTarget(located, parts),)) if located else None
    assert deployment.locate([certificate(path)], WORKDIR) == expected


def test_files_of_panel_and_host_are_not_deployable_together() -> None:
    with pytest.raises(NotDeployable, match=r"myexim\.crt is installed by the panel, and /etc/a\.crt is not"):
        panel_deployment(Panel()).locate([certificate(PANEL_FILE), certificate("/etc/a.crt")], WORKDIR)


def test_versions_with_the_same_certificates_have_the_same_name() -> None:
    assert Version("leaf", "chain", "/a").name == Version("leaf", "chain", "/b").name
    assert Version("leaf", "chain", "/a").name != Version("leafc", "hain", "/a").name
    assert re.fullmatch("[0-9a-f]{16}", Version("leaf", "chain", "/a").name)


def test_files_have_a_directory_of_their_own_whatever_their_order() -> None:
    reordered = FileSet(WORKDIR, FILES.targets[::-1])
    assert FILES.folder == reordered.folder == f"{WORKDIR.folder}/{FILES.folder_name}"
    assert re.fullmatch("[0-9a-f]{12}", FILES.folder_name)
    assert FileSet(WORKDIR, FILES.targets[:1]).folder_name != FILES.folder_name
    assert FILES.pairs == ("/etc/a.crt", "lc", "/etc/a.key", "k")


def test_queries_are_equal_if_their_commands_are() -> None:
    command = Command("web1", "read", "true")
    assert Query(command, lambda result: result.ok) == Query(command, lambda result: not result.ok)
    assert len({REPLACE.release(WORKDIR, "a"), REPLACE.release(WORKDIR, "a"), REPLACE.release(WORKDIR, "b")}) == 2


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([], Requirements()),
        (["now 60"], Requirements((), datetime.fromtimestamp(60, UTC))),
        (["lacks no openssl", "lacks no room", "lacks no openssl"], Requirements(("no openssl", "no room"))),
        (["now soon"], Requirements()),
    ],
)
def test_requirements_are_read_from_the_host(lines: list[str], expected: Requirements) -> None:
    assert REPLACE.requirements([FILES]).parse(printed(*lines)) == expected


def test_requirements_of_several_file_sets_are_one_query_about_all_paths() -> None:
    other = FileSet(WORKDIR, (FileTarget("/etc/b.crt", frozenset({Part.LEAF})),))
    assert REPLACE.requirements([FILES, other]).command.arguments[-3:] == ("/etc/a.crt", "/etc/a.key", "/etc/b.crt")


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([], Inspection("")),
        (["changed 1", PEM.rstrip()], Inspection(PEM, ("/etc/a.key",))),
        (["changed 0", "changed 1"], Inspection("", ("/etc/a.crt", "/etc/a.key"))),
        (["changed 2", "changed -1", "changed /etc/a.crt"], Inspection("")),
    ],
)
def test_inspection_names_changed_paths_by_their_number(lines: list[str], expected: Inspection) -> None:
    assert REPLACE.inspect(FILES, "v1").parse(printed(*lines)) == expected


def test_status_is_read_from_the_host() -> None:
    lines = (
        "now 100", "lock 90 c4f3 a test", "state 95 v1 waiting 20 s for a confirmation", "state broken line",
        "rejected v0", "staged v1", "staged 0", "live v1", "proven 0", "before ",
    )  # fmt: skip
    waiting = SwitchEvent(95, "v1", "waiting", "20 s for a confirmation")
    assert REPLACE.status(FILES).parse(printed(*lines)) == Progress(
        (waiting,), "v1", "0", None, "90 c4f3 a test", 100, frozenset({"v0"}), frozenset({"v1", "0"})
    )


def test_status_of_a_host_without_a_switch_is_empty() -> None:
    progress = REPLACE.status(FILES).parse(printed("lock free"))
    assert (progress, progress.last) == (Progress(), SwitchEvent(0, "", "none", ""))


@pytest.mark.parametrize(
    ("events", "holder", "last", "is_running"),
    [
        ((), None, "none", False),
        ((event("waiting"),), "another run", "waiting", True),
        ((event("waiting"),), None, "waiting", False),
        ((event("confirmed"),), "another run", "confirmed", False),
        ((event("waiting"), event("note", "slow")), "another run", "waiting", True),
    ],
)
def test_switch_runs_until_it_has_ended_or_lost_its_lock(
    events: tuple[SwitchEvent, ...], holder: str | None, last: str, *, is_running: bool
) -> None:
    progress = Progress(events, holder=holder)
    assert (progress.last.state, progress.is_running) == (last, is_running)


def test_gaps_and_notes_are_those_since_the_switch_began() -> None:
    before = (event("begun"), event("gap", "exim 9.00"), event("note", "old"))
    since = (event("begun"), event("gap", "exim 0.40"), event("gap", "exim"), *[event("note", "new")] * 2)
    progress = Progress((*before, *since))
    assert (progress.gaps, progress.notes) == ((("exim", 0.4),), ("new",))
    assert Progress(before[1:]).gaps == (("exim", 9.0),)  # where the beginning was not recorded, all are


def test_switch_to_a_compromised_key_is_never_reverted() -> None:
    kept = REPLACE.activate(FILES, (), "v1", confirm_within_s=5, returns=False)
    reverted = REPLACE.activate(FILES, (), "v1", confirm_within_s=5)
    assert [left for left, right in zip(kept.arguments, reverted.arguments, strict=True) if left != right] == ["no"]


@pytest.mark.parametrize("name", ["../x", "", "V1", "-v"])
def test_keys_of_another_name_than_a_version_are_not_destroyed(name: str) -> None:
    with pytest.raises(ValueError, match="is not the name of a version"):
        REPLACE.destroy_keys(FILES, name)


def test_only_status_requirements_and_inspection_change_nothing() -> None:
    queries = REPLACE.requirements([FILES]), REPLACE.status(FILES), REPLACE.inspect(FILES, "v1")
    assert not any(query.command.changes for query in queries)
    version = Version(PEM, "", "/root/key.pem")
    changes = (
        REPLACE.stage(FILES, version), REPLACE.activate(FILES, (), "v1", confirm_within_s=0),
        REPLACE.confirm(FILES, "v1"), REPLACE.revert(FILES, "v1"), REPLACE.destroy_keys(FILES, "v1"),
        REPLACE.prune(WORKDIR, ()), REPLACE.release(WORKDIR).command,
    )  # fmt: skip
    assert all(command.changes for command in changes)
