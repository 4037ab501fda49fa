"""The script a host runs: how it follows includes and reads options, and how its answer is taken apart."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from audit.host.script import prologue, read_sections
from audit.probe.collect import READERS
from audit.services.configuration import included, split_files
from audit.services.service import Section

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


def test_an_include_means_the_files_its_pattern_does() -> None:
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
def test_an_option_of_a_process_is_found(words: str, option: str, value: str) -> None:
    script = f"words=$(printf '%s\\n' {words})\nsection option option {option}\n"
    assert run(script)["option"].text == value


def test_a_section_tells_status_and_command_without_our_own_limits() -> None:
    section = run("section test silent $limit sh -c 'echo out; echo wrong >&2; exit 3'\n")["test"]
    assert (section.text, section.rc) == ("wrong", 3)
    assert section.command == "sh -c echo out; echo wrong >&2; exit 3"


def test_a_section_whose_end_is_missing_has_no_status() -> None:
    sections = read_sections("WORD", "banner\nWORD begin a\nhalf of")
    assert sections["a"] == Section("half of", None)


def test_frames_of_another_word_are_text() -> None:
    text = "WORD begin a\nOTHER begin b\nOTHER end 0 x\n\nWORD end 0 c\nnoise"
    assert read_sections("WORD", text) == {"a": Section("OTHER begin b\nOTHER end 0 x", 0, "c")}
