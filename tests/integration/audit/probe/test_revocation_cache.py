"""Responses about revocation are cached until their next update, and a cached one is verified like a new one."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from audit.config.revocation_cache import RevocationCache
from audit.observation import Observation
from audit.probe.deadline import Deadline
from audit.probe.http.request import HttpRequest
from audit.probe.revocation import Reply
from tests.integration.audit.probe.test_revocation import GIVEN, ca, new_fetcher, seen, verdict
from tests.support.http.scripted_server import Conversation, answering, conversing
from tests.support.x509.certificates import DAY, NOW
from tests.support.x509.crls import crl, pointing
from tests.support.x509.ocsp_responses import CA, HOUR, LEAF

__all__ = ["ca"]
QUESTION = HttpRequest("http://ca.example.com/ca.crl")


def test_response_is_cached_until_its_next_update(tmp_path: Path) -> None:
    folder = tmp_path / "state" / "revocation"
    with conversing(answering(crl(CA))) as server:
        here = LEAF.having(pointing(server.url("/ca.crl")))
        first = new_fetcher(RevocationCache(folder)).fetch(seen(here))
        assert new_fetcher(RevocationCache(folder)).fetch(seen(here)) == first
        assert len(server.heads) == 1
        later = replace(GIVEN, clock=lambda: NOW + 6 * DAY)
        new_fetcher(RevocationCache(folder), given=later).fetch(seen(here))
        assert len(server.heads) == 2
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o600}


@pytest.mark.parametrize(
    "spoil",
    [
        lambda file: file.write_bytes(b"garbage"),
        lambda file: file.write_bytes(b"2026-11-23T10:00:00Z\n<html>"),
        lambda file: file.write_bytes(b"2026-11-23T10:00:00Z\n" + crl(CA, key=LEAF.private_key)),
        lambda file: os.utime(file, (0, 0)),
        lambda file: (file.unlink(), file.symlink_to("/dev/zero")),
        lambda file: (file.unlink(), file.mkdir()),
    ],
    ids=["garbage", "page", "forged", "old", "link", "folder"],
)
def test_cached_response_is_verified_like_a_new_one(
    spoil: Callable[[Path], object], tmp_path: Path, ca: Conversation
) -> None:
    leaf = LEAF.having(pointing(ca.url("/ca.crl")))
    new_fetcher(RevocationCache(tmp_path)).fetch(seen(leaf))
    (file,) = tmp_path.iterdir()
    spoil(file)
    if not file.is_symlink() and file.is_file() and file.stat().st_mtime:
        os.utime(file, (NOW.timestamp() + 999_999, NOW.timestamp() + 999_999))
    assert verdict(new_fetcher(RevocationCache(tmp_path)).fetch(seen(leaf))) is None
    assert len(ca.heads) == 2


def test_unwritable_cache_is_ignored(tmp_path: Path, ca: Conversation) -> None:
    (tmp_path / "file").write_text("in the way")
    leaf = LEAF.having(pointing(ca.url("/ca.crl")))
    assert verdict(new_fetcher(RevocationCache(tmp_path / "file" / "revocation")).fetch(seen(leaf))) is None


def test_response_is_kept_though_another_thread_moves_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    moved, directory = tmp_path / "moved.partial", tmp_path / "directory.answer"
    directory.mkdir()
    os.utime(directory, (1, 1))
    monkeypatch.setattr(Path, "iterdir", lambda _: iter([moved, directory]))
    cache = RevocationCache(tmp_path)
    cache.keep(QUESTION, Reply(NOW, b"content"), NOW + HOUR)
    assert cache.get(QUESTION, NOW) == Reply(NOW, b"content")


def test_expired_and_incomplete_cache_files_are_removed(tmp_path: Path) -> None:
    old, half, fresh, other = (tmp_path / name for name in ("a.answer", "b.partial", "c.answer", "notes"))
    for file in (old, half, fresh, other):
        file.touch()
        os.utime(file, (1, 1))
    os.utime(fresh, (NOW.timestamp() + 60, NOW.timestamp() + 60))
    cache = RevocationCache(tmp_path)
    cache.keep(QUESTION, Reply(NOW, b"content"), NOW + HOUR)
    assert {file.name for file in tmp_path.iterdir()} - {"c.answer", "notes"} == {
        next(file.name for file in tmp_path.iterdir() if file.stat().st_size)
    }
    assert cache.get(QUESTION, NOW) == Reply(NOW, b"content")
    assert cache.get(QUESTION, NOW + HOUR) is None
    assert cache.get(replace(QUESTION, body=b"x"), NOW) is None


def test_processes_send_a_request_one_after_the_other(tmp_path: Path) -> None:
    both_ask = threading.Barrier(2)

    def asking(observation: Observation) -> Observation:
        fetcher = new_fetcher(RevocationCache(tmp_path))  # as another process has: locks are of an open file
        both_ask.wait()
        return fetcher.fetch(observation)

    with conversing(answering(crl(CA))) as server, ThreadPoolExecutor(2) as pool:
        here = LEAF.having(pointing(server.url("/ca.crl")))
        first, second = pool.map(asking, [seen(here)] * 2)
    assert first.revocation == second.revocation
    assert len(server.heads) == 1
    assert [file.suffix for file in tmp_path.iterdir()] == [".answer"]


def test_turn_of_another_process_is_waited_for_until_the_deadline(tmp_path: Path) -> None:
    entered = list[str]()
    with RevocationCache(tmp_path).alone(QUESTION, Deadline.after(60)):
        with RevocationCache(tmp_path).alone(QUESTION, Deadline.after(0.05)):
            entered.append("second")
        assert [file.suffix for file in tmp_path.iterdir()] == [".lock"]
    assert (entered, list(tmp_path.iterdir())) == (["second"], [])


def test_turn_in_a_folder_that_cannot_be_made_waits_for_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with RevocationCache(tmp_path / "file" / "x").alone(QUESTION, Deadline.after(60)):
        assert [entry.name for entry in tmp_path.iterdir()] == ["file"]
