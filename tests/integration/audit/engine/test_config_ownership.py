"""A configuration that another user can change is refused by every program that reads one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from struct import pack

import pytest

from audit.config import BadConfiguration, read_configuration, read_secret
from audit.config.schema import Secret
from pytest_sslaudit.cli import checkallsslcerts, program
from remediate.cli.main import main as repair_program

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="files of other users are made by root")

EVE, ALICE = 4711, 4712
HOSTS = 'hosts = ["ssh://root@web1"]\n'
SERVICE = '[[service]]\nhost = "*"\nname = "x"\nendpoints = ["https://x"]\ncertificate = "/c"\nkey = "/k"\n'
TOKEN = '[issuer.store]\nkind = "store"\nbase_url = "https://store.example.com"\ntoken = { env = "STORE_TOKEN" }\n'
POWERS = {
    "code to run, as a solver": '[solver.s]\npresent = ["/bin/true"]\n',
    "hosts": HOSTS,
    "hosts, with a table of their own": '[host."ssh://root@web1"]\nname = "web1.example.com"\n',
    "services": SERVICE,
    "secrets": TOKEN,
    "secrets, of mail": '[mail]\npassword = { file = "/etc/p" }\n',
    "code to run": '[extensions]\nchecks = ["acme-corp"]\n',
    "code to run, of an issuer": '[issuer.corp]\nkind = "acme"\n',
    "files to write, of reports": '[reports]\ncsv = "/etc/cron.d/x"\n',
    "files to write": 'results = "/etc/cron.d/x"\n',
}
_READ = """
import os, sys
from pathlib import Path
from struct import pack
from audit.config import BadConfiguration, read_configuration
os.setgroups([])
os.setresgid(*[int(sys.argv[1])] * 3)
os.setresuid(*[int(sys.argv[1])] * 3)
for folder in sys.argv[2:]:
    try:
        print(read_configuration(Path(folder), None).hosts)
    except BadConfiguration as error:
        print(error)
"""


@pytest.fixture
def public() -> Iterator[Path]:
    """Return a directory of root that every user can enter."""
    folder = Path(tempfile.mkdtemp(prefix="sslaudit-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def written(folder: Path, text: str = HOSTS, *, uid: int = 0, mode: int = 0o644) -> Path:
    """Write a configuration into a directory."""
    file = folder / "sslaudit.toml"
    file.write_text(text)
    os.chown(file, uid, uid)
    file.chmod(mode)
    return file


def folder_of(public: Path, uid: int, mode: int = 0o755) -> Path:
    """Make a directory that belongs to a user."""
    folder = public / f"of-{uid}-{mode:o}"
    folder.mkdir()
    os.chown(folder, uid, uid)
    folder.chmod(mode)
    return folder


def with_acl(file: Path) -> None:
    """Let Eve write to a file by its ACL; the mode then shows the mask as the rights of root's group."""
    all_of_them = 0xFFFFFFFF
    entries = ((1, 6, all_of_them), (2, 6, EVE), (4, 0, all_of_them), (0x10, 6, all_of_them), (0x20, 0, all_of_them))
    try:
        os.setxattr(
            file, "system.posix_acl_access", b"".join((pack("<I", 2), *(pack("<HHI", *row) for row in entries)))
        )
    except OSError as error:
        pytest.skip(f"this file system has no ACLs: {error}")


def through_eves_link(public: Path) -> Path:
    link = folder_of(public, 0, 0o1777) / "sslaudit.toml"
    link.symlink_to(written(public))
    os.lchown(link, EVE, EVE)
    return link


def through_a_link_into_eves_directory(public: Path) -> Path:
    link = public / "sslaudit.toml"
    link.symlink_to(written(folder_of(public, EVE)))
    return link


def writable_by_a_group(public: Path) -> Path:
    file = written(public, mode=0o664)
    os.chown(file, 0, EVE)
    return file


def writable_by_acl(public: Path) -> Path:
    file = written(public, mode=0o600)
    with_acl(file)
    return file


REDIRECTED: dict[str, Callable[[Path], Path]] = {
    "of another user": lambda public: written(public, uid=EVE),
    "writable by all": lambda public: written(public, mode=0o666),
    "writable by a group": writable_by_a_group,
    "writable by ACL": writable_by_acl,
    "in a folder of another user": lambda public: written(folder_of(public, EVE)),
    "in a folder writable by all": lambda public: written(folder_of(public, 0, 0o777)),
    "of another user in a sticky folder": lambda public: written(folder_of(public, 0, 0o1777), uid=EVE),
    "by a link of another user": through_eves_link,
    "by a link into a folder of another user": through_a_link_into_eves_directory,
}


@pytest.mark.parametrize("how", REDIRECTED)
def test_configuration_that_another_user_can_change_is_refused(public: Path, how: str) -> None:
    file = REDIRECTED[how](public)
    with pytest.raises(BadConfiguration) as refused:
        read_configuration(file.parent, None)
    message = str(refused.value)
    assert message.startswith(
        (
            f"configuration {file}: it names hosts, and others can change it: ",
            f"configuration {file}: Permission denied",  # the kernel protects links itself
        )
    )
    assert len(message.splitlines()) == 1
    with pytest.raises(BadConfiguration):
        read_configuration(public, str(file))


@pytest.mark.parametrize("power", POWERS)
def test_configuration_is_refused_for_what_it_names(public: Path, power: str) -> None:
    written(public, POWERS[power], uid=EVE)
    with pytest.raises(BadConfiguration, match=f": it names {power.partition(',')[0]}, and others can change it"):
        read_configuration(public, None)


@pytest.mark.parametrize(
    "text", ["", 'endpoints = ["https://www.example.com"]\npolicy = ["webpki"]\n[probe]\ntimeout_s = 3\n']
)
def test_harmless_configuration_may_belong_to_another_user(public: Path, text: str) -> None:
    written(public, text, uid=EVE, mode=0o666)
    assert read_configuration(public, None).hosts == ()


FILES_BESIDE_POWERS = {
    "trust": 'trust = ["mozilla", "{eve}/x.pem"]\n',
    "policy": 'policy = ["{eve}/x.toml"]\n',
    "waivers": 'waivers = "{eve}/x.toml"\n',
    "endpoints_file": 'endpoints_file = "{eve}/x.txt"\n',
    "probe.root_hints": '[probe]\nroot_hints = "{eve}/x.hints"\n',
    "mail.ca_file": '[mail]\nca_file = "{eve}/x.pem"\n',
}
FILES_OF_POWERS = {
    "issuer.s.ca_file": '[issuer.s]\nkind = "store"\nca_file = "{eve}/x.pem"\n',
    "issuer.i.command": '[issuer.i]\ncommand = ["{eve}/issue", "x"]\n',
    "solver.s.clean_up": '[solver.s]\npresent = ["/bin/true"]\nclean_up = ["{eve}/remove"]\n',
}


@pytest.mark.parametrize(("key", "text"), {**FILES_BESIDE_POWERS, **FILES_OF_POWERS}.items())
def test_file_or_program_of_a_powerful_configuration_is_checked(public: Path, key: str, text: str) -> None:
    eve = folder_of(public, EVE)
    written(public, (HOSTS if key in FILES_BESIDE_POWERS else "") + text.format(eve=eve))
    with pytest.raises(BadConfiguration, match=f"sslaudit.toml: {key}: others can change it: {eve} belongs to "):
        read_configuration(public, None)


@pytest.mark.parametrize("text", FILES_BESIDE_POWERS.values(), ids=FILES_BESIDE_POWERS)
def test_file_that_a_configuration_without_powers_names_is_not_checked(public: Path, text: str) -> None:
    written(public, text.format(eve=folder_of(public, EVE)))
    read_configuration(public, None)


def test_secret_behind_a_name_of_another_user_is_refused(public: Path) -> None:
    private = public / "private"
    private.write_text("the-secret-of-something-else")
    private.chmod(0o600)
    (eve := folder_of(public, EVE)).joinpath("token").symlink_to(private)
    configuration = read_configuration(public, None)
    with pytest.raises(BadConfiguration, match=f"others can change it: {eve} belongs to ") as refused:
        read_secret(configuration, "issuer.store.token", Secret(file=str(eve / "token")))
    assert "the-secret" not in str(refused.value)


def test_user_may_read_their_own_configuration_and_that_of_root_only(public: Path) -> None:
    own = [
        written(folder_of(public, ALICE, folder_mode), uid=ALICE, mode=mode).parent
        for folder_mode, mode in ((0o755, 0o644), (0o700, 0o600), (0o775, 0o664))
    ]
    eves = written(folder_of(public, EVE), uid=EVE).parent
    words = [sys.executable, "-P", "-c", _READ, str(ALICE), *map(str, (*own, written(public).parent, eves))]
    done = subprocess.run(words, cwd="/", capture_output=True, text=True, check=True, timeout=60)
    *allowed, refused = done.stdout.splitlines()
    assert (allowed, done.stderr) == (["('ssh://root@web1',)"] * 4, "")
    assert "names hosts, and others can change it: " in refused
    assert f"(uid {EVE})" in refused


@pytest.mark.parametrize(
    ("main", "words"),
    [
        (repair_program, ("status",)),
        (repair_program, ("resume",)),
        (program.main, ("repair", "plan", "results.jsonl")),
        (program.main, ("install-timer", "--dry-run")),
        (checkallsslcerts.main, ()),
    ],
    ids=["status", "resume", "plan", "install-timer", "checkallsslcerts"],
)
def test_every_program_refuses_an_unsafe_configuration(
    public: Path, main: Callable[[tuple[str, ...]], int], words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    file = written(folder_of(public, EVE))
    assert main((*words, "--config", str(file))) == 4
    assert f"others can change it: {file.parent} belongs to " in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--audit-config={file}", "--rootdir={file.parent}"])
def test_pytest_refuses_an_unsafe_configuration(public: Path, pytester: pytest.Pytester, option: str) -> None:
    file = written(folder_of(public, EVE))
    done = pytester.runpytest("--pyargs", "audit", option.format(file=file))
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    message = f"configuration {file}: it names hosts, and others can change it: {file.parent} belongs to "
    assert message in done.stderr.str()
