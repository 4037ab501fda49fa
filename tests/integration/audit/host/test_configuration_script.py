"""The script on a host follows includes and reads options; its output is split into sections."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Final

import pytest

from audit.host import script as collect
from audit.host.files import file_functions, missing_rights, read_file, section_of
from audit.host.script import READERS, cut_sections, prologue, read_sections, script_of
from audit.services.config_files import included, split_files, unreadable
from audit.services.model import NamedFile, Section, shell_script

INCLUDE = r"s/^ *include  *\([^;]*\);.*/\1/p"


def run(script: str, shell: str = "sh") -> dict[str, Section]:
    """Run a script as a host does, and return its sections."""
    whole = prologue("WORD") + READERS + script
    out = subprocess.run([shell, "-c", whole], capture_output=True, text=True, check=False).stdout
    return read_sections("WORD", out)


@pytest.mark.parametrize("shell", ["dash", "bash"])
def test_includes_are_followed_in_order_and_once(tmp_path: Path, shell: str) -> None:
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "a b").mkdir()
    files = {
        "main.conf": f"include conf.d/*.conf;\ninclude {tmp_path}/a b/x.conf;\ninclude gone.conf;\ninclude main.conf;",
        "conf.d/2.conf": "two\n",
        "conf.d/1.conf": "one\n  include conf.d/2.conf;\n",
        "a b/x.conf": "with a space\n",
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text, "utf-8")
    section = run(f"pid=0\nsection files follow {tmp_path} '{INCLUDE}' {tmp_path}/main.conf\n", shell)["files"]
    found = split_files(section.text)
    assert [str(Path(path).relative_to(tmp_path)) for path in found] == [
        "main.conf", "conf.d/1.conf", "conf.d/2.conf", "a b/x.conf",
    ]  # fmt: skip
    assert found[f"{tmp_path}/conf.d/2.conf"].strip() == "two"


def test_include_pattern_matches_its_files() -> None:
    files = dict.fromkeys(["/etc/n/a.conf", "/etc/n/s/b.conf", "/etc/n/s/t/c.conf", "/etc/nn/d.conf"], "")
    assert included(files, "/etc/n", "*.conf") == ["/etc/n/a.conf"]
    assert included(files, "/etc/n", "s") == ["/etc/n/s/b.conf", "/etc/n/s/t/c.conf"]
    assert included(files, "/etc/n", "/etc/*/d.conf") == ["/etc/nn/d.conf"]


@pytest.mark.parametrize(
    ("words", "option", "value"),
    [
        ("nginx: master process nginx -c /x/n.conf", "-c", "/x/n.conf"),
        ("exim4 -C/x/exim.conf -bd", "-C", "/x/exim.conf"),
        ("exim4 -bd", "-C", ""),
    ],
)
def test_option_of_a_process_is_found(words: str, option: str, value: str) -> None:
    script = f"words=$(printf '%s\\n' {words})\nsection option option {option}\n"
    assert run(script)["option"].text == value


def test_section_has_status_and_command_without_our_limits() -> None:
    section = run("section test silent $limit sh -c 'echo out; echo wrong >&2; exit 3'\n")["test"]
    assert (section.text, section.rc) == ("wrong", 3)
    assert section.command == "sh -c echo out; echo wrong >&2; exit 3"


EXIM: Final = """run_trusted() {
  shift
  echo "$*" >>%s
  [ "$*" = -bV ] || return 0
  printf 'Exim version 4.96\\nSupport for: iconv\\nSize of off_t: 8\\n'
  echo 'Exim configuration error in line 3' >&2
  return 1
}
pid=0 words='' bin=/usr/sbin/exim4
"""


def test_exim_tests_its_configuration_once(tmp_path: Path) -> None:
    calls = tmp_path / "calls"
    section = run(f"{EXIM % calls}exim() {{\n{shell_script('exim')}}}\nexim\n")["test"]
    assert (section.text, section.rc) == ("Exim configuration error in line 3", 1)
    assert section.command == "/usr/sbin/exim4 -bV"
    assert calls.read_text().splitlines().count("-bV") == 1


def test_section_without_an_end_has_no_status() -> None:
    sections = read_sections("WORD", "banner\nWORD begin a\nhalf of")
    assert sections["a"] == Section("half of", None)


def test_frames_with_another_nonce_are_text() -> None:
    text = "WORD begin a\nOTHER begin b\nOTHER end 0 x\n\nWORD end 0 c\nnoise"
    assert read_sections("WORD", text) == {"a": Section("OTHER begin b\nOTHER end 0 x", 0, "c")}


EVE: Final = 61_234
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="a second user is made by root")


def followed(base: Path, main: Path) -> tuple[list[str], tuple[str, ...]]:
    """Return the names of the files that are read from `main` on, and a message for each that is not."""
    text = run(f"pid=0\nsection files follow {base} '{INCLUDE}' {main}\n")["files"].text
    return [Path(path).name for path in split_files(text)], unreadable(text)


@needs_root
@pytest.mark.parametrize("way", ["file", "directory", "link"])
def test_included_file_that_another_user_can_change_is_not_read(tmp_path: Path, way: str) -> None:
    main, folder = tmp_path / "main.conf", tmp_path / "eve"
    folder.mkdir()
    (folder / "x.conf").write_text("secret")
    main.write_text(f"include {folder}/*.conf;")
    if way == "link":
        (folder / "x.conf").unlink()
        (folder / "x.conf").symlink_to("/etc/passwd")
    os.chown(folder if way != "file" else folder / "x.conf", EVE, EVE, follow_symlinks=False)
    read, denied = followed(tmp_path, main)
    assert read == ["main.conf"]
    (clause,) = denied
    assert clause.startswith(f"may not read {folder}/x.conf: ")
    assert clause.endswith(f" belongs to uid {EVE}")


@needs_root
def test_name_with_a_newline_does_not_become_two_files(tmp_path: Path) -> None:
    main, folder = tmp_path / "main.conf", tmp_path / "d"
    (folder / "x\n" / "etc").mkdir(parents=True)
    (folder / "x\n" / "etc" / "passwd").write_text("y")
    main.write_text(f"include {folder}/*/etc/passwd;")
    read, denied = followed(tmp_path, main)
    assert read == ["main.conf"]
    assert denied == (f"may not read {folder}/x?/etc/passwd has a newline in its name",)


def test_irregular_or_large_file_is_not_read(tmp_path: Path) -> None:
    main, folder = tmp_path / "main.conf", tmp_path / "d"
    folder.mkdir()
    os.mkfifo(folder / "fifo.conf")
    (folder / "null.conf").symlink_to("/dev/zero")
    with (folder / "huge.conf").open("wb") as huge:
        huge.truncate(10**12)
    main.write_text(f"include {folder}/*.conf;")
    read, denied = followed(tmp_path, main)
    assert read == ["main.conf"]
    assert {clause.partition(": ")[2] for clause in denied} == {
        "it has 1000000000000 bytes (limit 8000000)",
        "it is not a regular file",
        "/dev/zero can be written by every user (it belongs to uid 0)",
    }
    assert len(denied) == 3


def test_limit_of_configuration_files_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    main, folder = tmp_path / "main.conf", tmp_path / "d"
    folder.mkdir()
    for number in range(25):
        (folder / f"{number}.conf").write_text("x")
    main.write_text(f"include {folder}/*.conf;")
    assert "there are more than 2000 configuration files" in READERS
    with monkeypatch.context() as patched:
        patched.setattr(f"{__name__}.READERS", READERS.replace("2000", "20"))
        read, denied = followed(tmp_path, main)
    assert len(read) == 20
    assert denied == ("may not read the rest: there are more than 20 configuration files",)


def test_enabled_sites_are_read_through_their_links(tmp_path: Path) -> None:
    main = tmp_path / "main.conf"
    for folder in ("sites-available", "sites-enabled"):
        (tmp_path / folder).mkdir()
    for number in range(3):
        (tmp_path / "sites-available" / f"{number}.conf").write_text("x")
        (tmp_path / "sites-enabled" / f"{number}.conf").symlink_to(f"../sites-available/{number}.conf")
    main.write_text("include sites-enabled/*;")
    text = run(f"pid=0\nsection files follow {tmp_path} '{INCLUDE}' {main}\n")["files"].text
    assert [*split_files(text)][1:] == [f"{tmp_path}/sites-enabled/{number}.conf" for number in range(3)]


def test_open_file_named_like_a_socket_is_not_a_socket(tmp_path: Path) -> None:
    names = ("a 3 -> socket:[4025]", "b\nlrwx------ 1 0 0 64 Nov 30 01:03 3 -> socket:[4025]", "c\npid 7")
    opened = [(tmp_path / name).open("w") for name in names]
    try:
        held = run(collect.ABOUT_HOST)["owners"].text.splitlines()
        assert "4025" not in held
        assert held.count("pid 7") <= 1
    finally:
        for file in opened:
            file.close()


CONFIGURATION = r"""
ssl_key_password = hunter2
smtp_auth: password = hunter2
SSLPassPhraseDialog exec:/usr/bin/pass hunter2
proxy_set_header Authorization "Basic hunter2"; listen 443;
fastcgi_param DB_PASSWORD hunter2;
SetEnv API_KEY hunter2
server_name password.example.com secret.example.com;
location /token { root /srv/token; }
"""


@pytest.mark.parametrize("shell", ["dash", "bash"])
def test_passwords_in_a_configuration_stay_on_the_host(tmp_path: Path, shell: str) -> None:
    (tmp_path / "x.conf").write_text(CONFIGURATION)
    text = run(f"section files cat {tmp_path}/x.conf\n", shell)["files"].text
    assert "hunter2" not in text
    for kept in ("server_name password.example.com secret.example.com;", "root /srv/token;", "; listen 443;"):
        assert kept in text


def test_section_above_the_size_limit_is_cut_with_a_notice() -> None:
    sections = run("section many head -c 9000000 /dev/zero\nsection after echo fine\n")
    assert (sections["many"].rc, sections["many"].is_cut) == (None, True)
    assert sections["after"] == Section("fine", 0, "echo fine")
    assert cut_sections(sections) == ("'head -c 9000000 /dev/zero' printed more than 8 MB, and the rest was not read",)


def test_sections_of_a_script_are_found_in_its_text() -> None:
    script = script_of('section a id\nfor n in x; do section "b:$n" id; done\n')
    assert [script.expects(name) for name in ("a", "b:x", "done", "c", "a.b")] == [True, True, True, False, False]


@needs_root
def test_only_links_that_root_alone_can_change_are_read(tmp_path: Path) -> None:
    main, enabled, eves = tmp_path / "main.conf", tmp_path / "enabled", tmp_path / "eve"
    for folder in (enabled, eves, tmp_path / "available"):
        folder.mkdir()
    for name in ("good", "theirs", "open"):
        (tmp_path / "available" / name).write_text("x")
        (enabled / f"{name}.conf").symlink_to(f"../available/{name}")
    (eves / "x").write_text("x")
    (enabled / "far.conf").symlink_to("../eve/x")
    (enabled / "twice.conf").symlink_to("good.conf")
    (enabled / "gone.conf").symlink_to("../available/gone")
    os.chown(tmp_path / "available" / "theirs", EVE, EVE)
    (tmp_path / "available" / "open").chmod(0o666)
    os.chown(eves, EVE, EVE)
    main.write_text(f"include {enabled}/*.conf;")
    read, denied = followed(tmp_path, main)
    assert sorted(read) == ["good.conf", "main.conf", "twice.conf"]
    assert {Path(clause.split(":")[0]).name for clause in denied} == {"theirs.conf", "open.conf", "far.conf"}


def test_key_without_a_readable_digest_is_reported_without_a_fault() -> None:
    key = NamedFile("key", "/etc/tls/key.pem")
    keys = {section_of(key.path): Section("stat 600 root root regular file\nkey no-openssl\n", 0)}
    file = read_file(key, keys)
    assert (file.fault, missing_rights([file])) == (
        None, ("/etc/tls/key.pem: there is no openssl on the host to take the key's digest",),
    )  # fmt: skip


def test_file_with_a_relative_path_is_missing_and_keeps_nothing_waiting(tmp_path: Path) -> None:
    for path in ("gone.pem", "gone/file.pem", f"{tmp_path}/gone/file.pem"):
        assert run(f"{file_functions()}section file look c {path}\n")["file"].text.splitlines()[-1] == "missing"
