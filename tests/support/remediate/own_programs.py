"""Programs of an administrator: an internal CA, and the programs that replace it in tests."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent
from typing import Final

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.support.checkout import CHECKOUT
from tests.support.store.issuance import Authority, to_pem

_SCRIPT: Final = re.compile(r"```sh\n(?P<text>#!/bin/sh\n# /usr/local/bin/issue.*?)```", re.DOTALL)


def ca_files(authority: Authority) -> Mapping[str, str]:
    """Return the files of an internal CA, which signs with its root, by name."""
    key = authority.root.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return {"ca.crt": to_pem(authority.root.certificate), "ca.key": key.decode()}


def ca_script(folder: str = "/var/lib/internal-ca") -> str:
    """Return the script of docs/issuers.md for a CA in a directory."""
    found = _SCRIPT.search((CHECKOUT / "docs/issuers.md").read_text(encoding="utf-8"))
    assert found, "docs/issuers.md has no script"
    return found["text"].replace("/var/lib/internal-ca", folder)


def internal_ca(folder: Path, authority: Authority) -> str:
    """Write the files of an internal CA into a new directory, and return its script."""
    (folder / "issued").mkdir(parents=True)
    folder.chmod(0o700)
    for name, content in ca_files(authority).items():
        (folder / name).write_text(content)
    return ca_script(str(folder))


def program(file: Path, text: str) -> tuple[str, ...]:
    """Write an executable file that no other user can change, and return the argument list that runs it."""
    file.write_text(text)
    file.chmod(0o755)
    return (str(file),)


def python_program(file: Path, text: str) -> tuple[str, ...]:
    """Write a program in Python of the same interpreter."""
    return program(file, f"#!{sys.executable}\n{dedent(text)}")
