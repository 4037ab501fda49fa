"""One command reads the contacts of a host, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from remediate.hosts.command import Command, CommandResult
from remediate.notify.recipients import (
    ContactPolicy,
    KnownHost,
    PermittedContacts,
    is_domain,
    permitted_contacts,
    read_contact,
    read_contact_command,
)
from remediate.notify.report import results_of_hosts
from tests.support.remediate.fake_host.session import LocalSession

HERE = ContactPolicy(hosts={"web1": KnownHost(is_local=True)})


def host(folder: Path, **files: str) -> LocalSession:
    """Return a host with these files."""
    for name, text in files.items():
        path = folder / {"panel": "etc/wwwacct.conf", "forward": "root/.forward"}[name]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return LocalSession(moved={path: f"{folder}{path}" for path in ("/etc/wwwacct.conf", "/root/.forward")})


def test_contact_of_the_panel_precedes_forward_of_root(tmp_path: Path) -> None:
    both = host(tmp_path, panel="HOST web1\nCONTACTEMAIL panel@example.com\nSECRET x\n", forward="one@example.com\n")
    assert permitted_contacts(["web1"], {"web1": both}, HERE) == {"web1": PermittedContacts(("panel@example.com",))}
    assert "SECRET" not in both.run(read_contact_command("web1")).output
    assert not [command for command in both.commands if command.changes]


def test_forward_of_root_is_the_contact_without_a_panel(tmp_path: Path) -> None:
    sessions = {"web1": host(tmp_path, forward="one@example.com, \\root\n")}
    found = permitted_contacts(["web1"], sessions, HERE)["web1"].used
    assert found[0] == "one@example.com"
    assert re.fullmatch(r"root@\S+", found[1])


def test_host_without_contact_and_unreadable_host_have_no_contact(tmp_path: Path) -> None:
    class Lost:
        def run(self, command: Command) -> CommandResult:
            return CommandResult(None, "", f"no answer to {command.why}")

    assert permitted_contacts(["web1", "web2", "web3"], {"web1": host(tmp_path), "web2": Lost()}, HERE) == {
        "web1": PermittedContacts(())
    }


@pytest.mark.parametrize("name", ["", "web1", "a b.example.com", "x" * 300, "web1.example.com\nBcc: x", "-.example"])
def test_users_of_a_host_without_a_domain_get_its_label(name: str) -> None:
    assert not is_domain(name)
    assert read_contact(f"{name}\n--- panel\n--- forward\nroot\n", "known.example.com") == ("root@known.example.com",)


def test_users_of_a_host_get_its_name_as_domain() -> None:
    assert read_contact("web1.example.com\n--- panel\n--- forward\nroot\n", "web1") == ("root@web1.example.com",)


def test_results_of_a_host_are_its_own_lines_and_those_of_the_run() -> None:
    lines = [
        b'{"kind":"run"}\n',
        b'{"kind":"observation","endpoint":"web1/https://a.example.com:443"}\n',
        b'{"kind":"result","endpoint":"web2/https://a.example.com:443"}\n',
        b'{"kind":"result","endpoint":"web1/"}\n',
        b'{"kind":"result","endpoint":"https://[2001:db8::1]:443"}\n',
        b'{"kind":"result","endpoint":"https://c.example.com:443+192.0.2.7"}\n',
        b'{"kind":"elsewhere"}\n',
        b'["web1/"]\n',
        b"{cut",
    ]
    assert results_of_hosts(b"".join(lines), {"web1"}) == b"".join((lines[0], lines[1], lines[3]))
    assert results_of_hosts(b"".join(lines), {"2001:db8::1", "c.example.com"}) == b"".join(
        (lines[0], lines[4], lines[5])
    )
