"""Tests of what a host reports about a file: only the digest of a key is taken as one."""

from __future__ import annotations

from typing import Literal

import pytest

from audit.host.files import read_file, section_of
from audit.services.model import NamedFile, Section

DIGEST = "ab" * 32


@pytest.mark.parametrize(
    ("kind", "line", "digest"),
    [
        ("key", f"key {DIGEST}", DIGEST),
        ("key", f"key {DIGEST}0", None),
        ("key", "key none", None),
        ("key", "denied", None),
        ("certificate", f"key {DIGEST}", None),
    ],
    ids=["digest", "too long", "no key", "denied", "certificate"],
)
def test_only_a_key_file_with_a_sha256_has_a_digest(
    kind: Literal["certificate", "key"], line: str, digest: str | None
) -> None:
    section = Section(f"real /t/x\nstat 600 root root regular file\n{line}")
    assert read_file(NamedFile(kind, "/t/x"), {section_of("/t/x"): section}).spki_sha256 == digest


@pytest.mark.parametrize(("is_prompted", "fault"), [(True, "prompted"), (False, "encrypted")])
def test_encrypted_key_is_prompted_if_its_service_asks_a_person(fault: str, *, is_prompted: bool) -> None:
    sections = {section_of("/t/x"): Section("real /t/x\nstat 600 root root regular file\nkey encrypted")}
    assert read_file(NamedFile("key", "/t/x", is_prompted), sections).fault == fault
    assert read_file(NamedFile("key", "/t/x", is_prompted=True), {}).fault == "denied"
