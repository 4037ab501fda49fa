"""The nightly timer: files as cron and systemd read them, and nothing left when it is removed."""

from __future__ import annotations

import re
import shlex
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_sslaudit.cli.local_server import own_command
from pytest_sslaudit.cli.program import main
from pytest_sslaudit.cli.timer_files import Machine
from pytest_sslaudit.cli.timer_units import CRON, MARKER, SERVICE, TIMER, BadTime, nightly

COMMAND = (*own_command("checkallsslcerts"), "--allow-retry")
PYTHONS = ("PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "PYTHONUSERBASE")
OLD_CRON = """\
# Written by `sslaudit install-timer`; `sslaudit remove-timer` removes it.
SHELL=/bin/sh
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
MAILTO=root
34 4 * * * root {command} --allow-retry >/dev/null
"""
OLD_SERVICE = """\
# Written by `sslaudit install-timer`; `sslaudit remove-timer` removes it.
[Unit]
Description=Audit and replace the TLS certificates of this server
Wants=network-online.target
After=network-online.target

[Service]
Type=oneshot
ExecStart={command} --allow-retry
LogsDirectory=sslaudit
LogsDirectoryMode=0700
SuccessExitStatus=75
Environment=HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
TimeoutStartSec=6h
"""
OLD_TIMER = """\
# Written by `sslaudit install-timer`; `sslaudit remove-timer` removes it.
[Unit]
Description=Audit and replace the TLS certificates of this server every night

[Timer]
OnCalendar=*-*-* 04:00:00
RandomizedDelaySec=60min
FixedRandomDelay=true
Persistent=true

[Install]
WantedBy=timers.target
"""
SYSTEMD = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd here that could read a unit")


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """Return a machine that systemd does not run on."""
    for folder in ("etc/cron.d", "etc/systemd/system", "usr/lib/systemd/system"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "etc/machine-id").write_text("0123456789abcdef0123456789abcdef\n")
    return Machine(tmp_path)


def files(machine: Machine) -> dict[str, str]:
    """Return the content of every file and the target of every link below a machine's root."""
    found = (file for file in machine.root.rglob("*") if file.is_symlink() or file.is_file())
    return {str(file.relative_to(machine.root)): str(file.readlink()) if file.is_symlink() else file.read_text()
            for file in found}  # fmt: skip


def cron_line(text: str) -> tuple[int, int, str]:
    """Return minute, hour and what sh is given, read as crontab(5) reads a file of /etc/cron.d."""
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    settings = dict(line.split("=", 1) for line in lines[:-1])
    assert set(settings) == {"SHELL", "PATH", "MAILTO", *PYTHONS}
    assert {settings[name] for name in PYTHONS} == {'""'}, "without quotes an empty value is not one to cron"
    assert "/usr/sbin" in settings["PATH"].split(":")
    assert text.endswith("\n"), "cron ignores a last line without an end"
    match = re.fullmatch(r"([0-9]+) ([0-9]+) \* \* \* root (\S.*)", lines[-1])
    assert match
    command = re.split(r"(?<!\\)%", match[3])
    assert len(command) == 1, "what follows a bare % is standard input"
    return int(match[1]), int(match[2]), command[0].replace(r"\%", "%")


def test_cron_file_is_valid_and_runs_the_command_by_its_full_path(machine: Machine) -> None:
    assert main(["install-timer", "--cron", "--at", "03:10"], machine) == 0
    file = machine.place(CRON)
    minute, hour, command = cron_line(file.read_text())
    assert 190 <= hour * 60 + minute < 250
    assert shlex.split(command) == [*COMMAND, ">/dev/null"]
    assert Path(COMMAND[0]).is_absolute()
    assert stat.S_IMODE(file.stat().st_mode) == 0o644
    assert [one.name for one in file.parent.iterdir()] == ["sslaudit"]


def test_minute_depends_on_the_machine_and_stays_the_same() -> None:
    wanted = nightly(COMMAND, "23:30")
    minutes = [cron_line(wanted.cron(f"machine {number}"))[:2] for number in range(200)]
    assert minutes == [cron_line(wanted.cron(f"machine {number}"))[:2] for number in range(200)]
    assert {hour for _, hour in minutes} == {23, 0}
    assert len({minute for minute, _ in minutes}) > 50


def test_command_with_special_characters_stays_one_command() -> None:
    odd = ('/opt/100% it\'s "mine" $HOME/bin/x', "--config", "/etc/a b.toml")
    assert shlex.split(cron_line(nightly(odd, "04:00").cron("m"))[2])[:3] == list(odd)
    (start,) = re.findall(r"^ExecStart=(.*)$", nightly(odd, "04:00").service(), re.MULTILINE)
    assert start == '"/opt/100%% it\'s \\"mine\\" $$HOME/bin/x" --config "/etc/a b.toml"'
    with pytest.raises(BadTime, match="line break"):
        nightly(("/opt/a\nb",), "04:00")


@pytest.mark.parametrize("at", ["4:00", "24:00", "04:60", "0400", "04:00 ", "", "now", "\u0966\u096a:\u0966\u0966"])
def test_invalid_time_is_refused(machine: Machine, at: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["install-timer", "--at", at], machine) == 4
    assert "is not a time of day: use HH:MM" in capsys.readouterr().err
    assert set(files(machine)) == {"etc/machine-id"}


@SYSTEMD
def test_systemd_accepts_the_units_and_enables_the_timer(machine: Machine) -> None:
    assert main(["install-timer", "--systemd", "--at", "03:10"], machine) == 0
    units = [str(machine.place(path)) for path in (SERVICE, TIMER)]
    done = subprocess.run(
        ["systemd-analyze", "verify", *units], capture_output=True, text=True, check=False, timeout=60
    )
    assert [line for line in done.stderr.splitlines() if "sslaudit" in line] == []
    assert "etc/systemd/system/timers.target.wants/sslaudit-checkallsslcerts.timer" in files(machine)
    text = machine.place(TIMER).read_text()
    assert {"OnCalendar=*-*-* 03:10:00", "RandomizedDelaySec=60min", "FixedRandomDelay=true", "Persistent=true"} <= set(
        text.splitlines()
    )
    calendar = subprocess.run(["systemd-analyze", "calendar", "*-*-* 03:10:00"], capture_output=True, check=False)
    assert calendar.returncode == 0


@SYSTEMD
@pytest.mark.parametrize("kind", ["--cron", "--systemd"])
def test_second_install_changes_nothing_and_removal_leaves_nothing(machine: Machine, kind: str) -> None:
    before = files(machine)
    assert main(["install-timer", kind], machine) == 0
    first = files(machine)
    assert main(["timer-status"], machine) == 0
    assert main(["install-timer", kind], machine) == 0
    assert files(machine) == first != before
    assert main(["remove-timer"], machine) == 0
    assert files(machine) == before
    assert main(["remove-timer"], machine) == 0
    assert main(["timer-status"], machine) == 1


@SYSTEMD
def test_timer_of_the_other_kind_is_replaced(machine: Machine) -> None:
    for kind, there in (("--cron", {CRON}), ("--systemd", {SERVICE, TIMER}), ("--cron", {CRON})):
        assert main(["install-timer", kind], machine) == 0
        assert set(machine.installed()) == there
    assert not [name for name in files(machine) if "wants" in name]


def test_systemd_is_chosen_if_it_runs(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["install-timer", "--dry-run"], machine) == 0
    assert capsys.readouterr().out.startswith(f"{CRON}:\n{MARKER}\n")
    machine.place("/run/systemd/system").mkdir(parents=True)
    assert main(["install-timer", "--dry-run"], machine) == 0
    assert capsys.readouterr().out.startswith(f"{SERVICE}:\n{MARKER}\n")
    assert set(files(machine)) == {"etc/machine-id"}, "a dry run writes nothing"


@pytest.mark.parametrize(("kind", "path"), [("--cron", CRON), ("--systemd", TIMER)])
def test_foreign_file_is_neither_overwritten_nor_removed(
    machine: Machine, kind: str, path: str, capsys: pytest.CaptureFixture[str]
) -> None:
    machine.place(path).write_text("# theirs\n")
    before = files(machine)
    assert main(["install-timer", kind], machine) == 4
    assert f"sslaudit install-timer: {path} exists and was not written by sslaudit" in capsys.readouterr().err
    assert main(["remove-timer"], machine) == 0
    assert main(["timer-status"], machine) == 1
    assert f"{path}: not written by sslaudit" in capsys.readouterr().out
    assert files(machine) == before


def test_link_is_treated_as_foreign_wherever_it_leads(machine: Machine) -> None:
    elsewhere = machine.root / "elsewhere"
    elsewhere.write_text(f"{MARKER}\n")
    machine.place(CRON).symlink_to(elsewhere)
    assert main(["install-timer", "--cron"], machine) == 4
    assert elsewhere.read_text() == f"{MARKER}\n"


def test_refused_unit_restores_the_previous_files(machine: Machine) -> None:
    wants = machine.place("/etc/systemd/system/timers.target.wants")
    wants.write_text("in the way of the link\n")
    before = files(machine)
    assert main(["install-timer", "--systemd"], machine) == 4
    assert files(machine) == before


def test_missing_cron_is_reported_in_one_line(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    machine.place("/etc/cron.d").rmdir()
    assert main(["install-timer", "--cron"], machine) == 4
    assert "etc/cron.d does not exist: install cron, or use the other kind" in capsys.readouterr().err


def test_configuration_is_named_by_its_full_path_and_must_exist(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["install-timer", "--config", "/nowhere.toml"], machine) == 4
    file = tmp_path / "own.toml"
    file.touch(0o644)
    monkeypatch.chdir(tmp_path)
    assert main(["install-timer", "--config", "own.toml"], machine) == 0
    assert shlex.split(cron_line(machine.place(CRON).read_text())[2])[-3:-1] == ["--config", str(file)]


def test_timer_of_another_installation_is_not_reported(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    machine.place(CRON).write_text(nightly(("/gone/bin/checkallsslcerts",), "04:00").cron("m"))
    assert main(["timer-status"], machine) == 1
    assert f"{CRON} runs another program than" in capsys.readouterr().out
    assert main(["install-timer", "--cron"], machine) == 0
    assert main(["timer-status"], machine) == 0


def installed_earlier(machine: Machine, kind: str, command: str) -> None:
    """Write the files of a timer as the version before wrote them."""
    texts = {CRON: OLD_CRON} if kind == "--cron" else {SERVICE: OLD_SERVICE, TIMER: OLD_TIMER}
    for path, text in texts.items():
        machine.place(path).write_text(text.replace("{command}", command))
    if kind == "--systemd":
        wants = machine.place("/etc/systemd/system/timers.target.wants")
        wants.mkdir()
        (wants / Path(TIMER).name).symlink_to(TIMER)


@SYSTEMD
@pytest.mark.parametrize("kind", ["--cron", "--systemd"])
def test_timer_of_an_earlier_version_is_listed_replaced_and_removed(machine: Machine, kind: str) -> None:
    before = files(machine)
    installed_earlier(machine, kind, shlex.join(own_command("checkallsslcerts")))
    assert main(["timer-status"], machine) == 0
    assert main(["install-timer", kind], machine) == 0
    texts = "".join(files(machine).values())
    assert all(name in texts for name in PYTHONS)
    assert main(["timer-status"], machine) == 0
    assert main(["remove-timer"], machine) == 0
    assert files(machine) == before
    installed_earlier(machine, kind, shlex.join(own_command("checkallsslcerts")))
    assert main(["remove-timer"], machine) == 0
    left = machine.place("/etc/systemd/system/timers.target.wants")
    assert files(machine) == before
    assert not left.exists() or not any(left.iterdir())


@pytest.mark.parametrize("kind", ["--cron", "--systemd"])
def test_timer_that_starts_python_without_p_is_unhealthy(
    machine: Machine, kind: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.executable", "/opt/x/bin/python")  # beside which there is no program of ours
    assert own_command("checkallsslcerts") == ("/opt/x/bin/python", "-P", "-m", "pytest_sslaudit.cli.checkallsslcerts")
    installed_earlier(machine, kind, "/opt/x/bin/python -m pytest_sslaudit.checkallsslcerts")
    assert main(["timer-status"], machine) == 1
    said = capsys.readouterr().out
    assert (
        "runs another program than /opt/x/bin/python -P -m pytest_sslaudit.cli.checkallsslcerts: run `sslaudit install"
        in said
    )
    if kind == "--cron":
        assert main(["install-timer", kind], machine) == 0
        assert (
            "/opt/x/bin/python -P -m pytest_sslaudit.cli.checkallsslcerts --allow-retry"
            in machine.place(CRON).read_text()
        )
        assert main(["timer-status"], machine) == 0


@pytest.mark.parametrize("former", ["-m pytest_sslaudit.checkallsslcerts", "-P -m pytest_sslaudit.checkallsslcerts"])
def test_timer_that_names_the_former_module_still_runs_the_program(machine: Machine, former: str) -> None:
    installed_earlier(machine, "--cron", f"{sys.executable} {former}")
    (line,) = (line for line in machine.place(CRON).read_text().splitlines() if sys.executable in line)
    command = shlex.split(line[line.index(sys.executable) :])
    # The job as it is installed, but for a configuration that is not there: it ends where the program reads it.
    done = subprocess.run(
        [*command[:-1], "--config", "/nowhere.toml"], cwd="/", capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (4, ""), done.stderr
    assert "/nowhere.toml" in done.stderr


def test_installed_job_imports_nothing_from_its_directory(tmp_path: Path) -> None:
    for name in ("audit", "pytest_sslaudit", "pytest", "argparse"):
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    program = Path(own_command("checkallsslcerts")[0])
    module = (str(program.parent / "python"), "-P", "-m", "pytest_sslaudit.cli.checkallsslcerts")
    for command in (own_command("checkallsslcerts"), module):
        done = subprocess.run([*command, "--version"], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout.split()[:1]) == (0, ["checkallsslcerts"]), done.stderr
    assert not (tmp_path / "ran").exists()


def test_removal_leaves_no_failed_unit(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A service that failed stays listed as failed after its file is gone."""
    calls = list[str]()

    def systemctl(_machine: Machine, *words: str) -> subprocess.CompletedProcess[str]:
        calls.append(" ".join(words))
        return subprocess.CompletedProcess(words, 0, "", "")

    monkeypatch.setattr(Machine, "_systemctl", systemctl)
    monkeypatch.setattr(Machine, "_now", lambda _machine: ("--now",))
    assert main(["install-timer", "--systemd"], machine) == 0
    calls.clear()
    assert main(["remove-timer"], machine) == 0
    assert calls[-2:] == [
        "daemon-reload",
        "reset-failed sslaudit-checkallsslcerts.service sslaudit-checkallsslcerts.timer",
    ]
