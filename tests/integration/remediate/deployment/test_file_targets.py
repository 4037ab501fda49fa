"""The files of an installation, their parts and their links."""

from __future__ import annotations

import subprocess

import pytest

from audit.observation import FileKind, InstalledFile
from remediate.deployment.replace import REPLACE
from remediate.deployment.versions import FileSet, file_targets
from remediate.hosts.workdir import ROOT, HostWorkdir
from remediate.installers import INSTALLERS, CustomInstaller
from tests.support.remediate.fake_host.switch import target


def file(path: str, kind: FileKind, real: str | None = None) -> InstalledFile:
    return InstalledFile(path, kind, real)


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ([file("/s/a.crt", "certificate"), file("/s/a.key", "key")], {"/s/a.crt": "lc", "/s/a.key": "k"}),
        ([file("/s/ftp.pem", "certificate"), file("/s/ftp.pem", "key")], {"/s/ftp.pem": "klc"}),
        (
            [file("/s/a.crt", "certificate"), file("/s/a.key", "key"), file("/s/chain.crt", "chain")],
            {"/s/a.crt": "l", "/s/a.key": "k", "/s/chain.crt": "c"},
        ),
        ([file("/s/a.crt", "certificate"), file("/s/a.crt", "chain")], {"/s/a.crt": "lc"}),
    ],
    ids=["two", "combined", "chain apart", "chain in the same"],
)
def test_file_has_the_parts_of_its_uses(files: list[InstalledFile], expected: dict[str, str]) -> None:
    assert {target.path: target.part_codes for target in file_targets(files, ROOT)} == expected


def test_link_of_the_host_is_followed_to_its_file() -> None:
    found = file_targets([file("/etc/exim.crt", "certificate", "/var/panel/exim.crt")], ROOT)
    assert found == (target("/var/panel/exim.crt", "lc"),)


def test_link_of_this_program_is_not_followed() -> None:
    ours = f"{ROOT}/c0ffee/0123456789ab/4f5e6d7c8b9a0f1e/etc/ssl/a.crt"
    assert file_targets([file("/etc/ssl/a.crt", "certificate", ours)], ROOT) == (target("/etc/ssl/a.crt", "lc"),)


@pytest.mark.parametrize("name", INSTALLERS)
def test_check_of_a_configuration_is_read_only_and_a_reload_is_not(name: str) -> None:
    installer = INSTALLERS[name]
    changes = installer.check_config("web1").changes, installer.reload("web1").changes
    assert (installer.name, changes) == (name, (False, True))


@pytest.mark.parametrize("name", INSTALLERS)
def test_every_script_has_valid_shell_syntax(name: str) -> None:
    installer = INSTALLERS[name]
    begun = REPLACE.activate(
        FileSet(HostWorkdir("web1", "c4f3", "test"), ()), [installer], "proven", confirm_within_s=1
    )
    scripts = [
        command.script
        for command in (installer.check_config("web1"), installer.reload("web1"), installer.start("web1"), begun)
    ]
    for script in (*scripts, *(word for word in begun.arguments if "\n" in word)):
        assert subprocess.run(["sh", "-n", "-c", script], capture_output=True, check=False).stderr == b""


def test_declared_service_is_checked_and_reloaded_by_its_commands() -> None:
    gateway = CustomInstaller("gateway", "gateway --check", "kill -HUP 1")
    assert gateway.check_config("app1").script == "gateway --check"
    assert gateway.reload("app1").script == gateway.start("app1").script == "kill -HUP 1"
    assert CustomInstaller("plain").reload("app1").script == ":"
