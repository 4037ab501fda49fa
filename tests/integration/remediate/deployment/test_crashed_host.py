"""Files that a crash of the host leaves between the renames of a switch are restored, and only these."""

from __future__ import annotations

from pathlib import Path

from remediate.deployment.replace import restore_interrupted
from tests.support.remediate.fake_host.session import run
from tests.support.remediate.fake_host.switch import Pairs, SwitchHost, new_switch_host


def restored(host: SwitchHost) -> tuple[str, ...]:
    query = restore_interrupted(host.file_set.workdir)
    return query.parse(run(query.command))


def point(link: Path, version: str) -> None:
    link.unlink(missing_ok=True)
    link.symlink_to(version)


def test_files_of_before_are_restored_after_a_crash_between_the_renames(tmp_path: Path, pairs: Pairs) -> None:
    host = new_switch_host(tmp_path, pairs[0])
    name, folder = host.switch(pairs[1]), Path(host.file_set.folder)
    host.confirm(name)
    for link, version in (("moving", name), ("live", "0"), ("proven", "0")):
        point(folder / link, version)
    host.key.write_text((folder / f"0{host.key}").read_text())
    assert host.configured == (pairs[1].contents[0], pairs[0].contents[1])
    assert restored(host) == (f"restored {host.certificate}", f"restored {host.key}")
    assert host.configured == pairs[0].contents
    assert (host.progress().live, host.progress().last.state) == ("0", "returned")
    assert restored(host) == ()


def test_files_of_a_switch_that_has_ended_stay(tmp_path: Path, pairs: Pairs) -> None:
    host = new_switch_host(tmp_path, pairs[0])
    host.confirm(host.switch(pairs[1]))
    assert restored(host) == ()
    assert host.configured == pairs[1].contents
