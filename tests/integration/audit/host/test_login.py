"""A login that fails, hangs, prints a banner or prompts is reported in one line and costs only its own deadline."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

import pytest

from audit.host.discovery import Login
from audit.host.local_command import Command, run_bounded
from audit.host.login import Bounds, Host, distinguish, hosts_of, redacted
from audit.host.login.unfinished_logins import in_time
from audit.observation import ProbeFailure
from audit.redaction import Secrets
from tests.support.failing_logins import Programs, look
from tests.support.secret_encodings import encodings


def failure_of(login: Login) -> ProbeFailure:
    (seen,) = look(login)
    assert seen.targets == ()
    failure = seen.host.failure
    assert failure is not None
    assert failure.stage == "login"
    assert "\n" not in failure.detail
    return failure


def is_running(pid: str) -> bool:
    """Return whether a process still runs after a moment; a zombie does not."""
    stat = Path(f"/proc/{pid}/stat")
    for _ in range(100):
        try:
            if stat.read_text().rpartition(")")[2].split()[0] in "ZX":
                return False
        except (FileNotFoundError, ProcessLookupError):
            return False
        time.sleep(0.02)
    return True


@pytest.mark.parametrize(
    ("output", "kind"),
    [
        ("root@web1: Permission denied (publickey).", "denied"),
        ("ssh: Could not resolve hostname web1: Name or service not known", "unresolvable"),
        ("ssh: connect to host web1 port 22: Connection refused", "refused"),
        ("ssh: connect to host web1 port 22: Connection timed out", "timeout"),
        ("ssh: connect to host web1 port 22: No route to host", "unreachable"),
        ("No ED25519 host key is known for web1.\nHost key verification failed.", "host-key"),
        ("kex_exchange_identification: Connection closed by remote host", "closed"),
        ("some unexpected message", "broken"),
        ("Your account has expired; please contact your system administrator.", "denied"),
        ("WARNING: Your password has expired.\nPassword change required but no TTY available.", "denied"),
        ("This service allows sftp connections only.", "no-command"),
        ("Unmatched '''.", "no-command"),
        ("b: Event not found.", "no-command"),
    ],
)
def test_ssh_errors_become_one_line(programs: Programs, output: str, kind: str) -> None:
    programs.add("ssh", f"cat >&2 <<'E'\n{output}\nE", "exit 255")
    failure = failure_of(Login("ssh://root@web1"))
    assert failure.kind == kind
    assert failure.detail.startswith("ssh://root@web1: ")
    assert output.splitlines()[-1] in failure.detail


@pytest.mark.parametrize(
    ("output", "kind"),
    [
        ("sudo: a password is required", "sudo"),
        ("sudo: a terminal is required to read the password", "sudo"),
        ("sudo: sorry, you must have a tty to run sudo", "sudo"),
        ("audit is not in the sudoers file.", "sudo"),
        ("sh: 1: sudo: not found", "no-command"),
    ],
)
def test_sudo_password_prompt_is_refused(programs: Programs, output: str, kind: str) -> None:
    programs.add("sudo", f'printf "%s " "$@" >{programs.folder}/arguments', f"echo '{output}' >&2", "exit 1")
    assert failure_of(Login("local://", {"sudo": True})).kind == kind
    assert programs.text("arguments").startswith("-n /bin/sh -c ")


@pytest.mark.parametrize(
    ("lines", "kind", "text"),
    [
        (("echo 'Authorized use only' >&2", "echo 'This account is currently not available.'", "exit 1"), "denied",
         "the account of this login is closed (its shell is nologin, or it has expired): name another login"),
        (("exit 1",), "denied", "the login ended with 1 before any command ran: its shell may be /bin/false"),
        (("echo \"Unmatched '\"\"'\"\"'.\" >&2", "exit 1"), "no-command", "the shell of this login is csh"),
    ],
)  # fmt: skip
def test_shell_that_runs_no_command_is_named(programs: Programs, lines: tuple[str, ...], kind: str, text: str) -> None:
    programs.add("ssh", *lines)
    failure = failure_of(Login("ssh://web1"))
    assert failure.kind == kind
    assert text in failure.detail


def test_sudo_that_requires_a_terminal_is_not_one_that_requires_a_password(programs: Programs) -> None:
    programs.add("sudo", "echo 'sudo: sorry, you must have a tty to run sudo' >&2", "exit 1")
    detail = failure_of(Login("local://", {"sudo": True})).detail
    assert "sudo requires a terminal (requiretty): add 'Defaults:LOGIN !requiretty' to sudoers" in detail


def test_ssh_runs_without_prompts_and_keeps_the_options_of_the_user(programs: Programs) -> None:
    programs.add("ssh", f'printf "%s\\n" "$*" | head -n 1 >{programs.folder}/arguments', "exit 255")
    failure_of(Login("ssh://root@web1:2222", {"ssh_extra_args": "-o StrictHostKeyChecking=yes"}))
    arguments = programs.text("arguments")
    for option in ("BatchMode=yes", "StrictHostKeyChecking=yes", "ConnectTimeout=10", "User=root", "Port=2222"):
        assert f"-o {option}" in arguments
    assert "ControlMaster" not in arguments


def test_hanging_login_costs_its_deadline_and_leaves_no_process(programs: Programs) -> None:
    programs.add("ssh", f"echo $$ >{programs.folder}/pid", "trap '' INT", "sleep 60 & sleep 60")
    began = time.monotonic()
    failure = failure_of(Login("ssh://web1", timeout_s=2.0))
    assert (failure.kind, failure.detail) == ("timeout", "ssh://web1 did not finish within 2 s")
    assert time.monotonic() - began < 40
    assert not is_running(programs.text("pid").strip())


@pytest.mark.usefixtures("own_network")
def test_hanging_host_does_not_delay_another(programs: Programs) -> None:
    programs.add("ssh", "sleep 60")
    hanging, local = look(Login("ssh://web1", timeout_s=0.5), Login("local://"))
    assert hanging.host.failure is not None
    assert local.host.failure is None
    assert local.host.server is not None


def test_password_is_in_no_message_and_no_label(programs: Programs) -> None:
    programs.add("sshpass", 'echo "Permission denied for hunter2" >&2', "exit 255")
    (seen,) = look(Login("ssh://root:hunter2@web1"))
    assert str(seen.host.endpoint) == "web1/"
    assert seen.host.endpoint.hostspec == "ssh://root@web1"
    assert "hunter2" not in repr(seen)


@pytest.mark.parametrize("form", encodings("hunter2/secret"))
def test_password_that_a_login_repeats_in_another_encoding_is_hidden(programs: Programs, form: str) -> None:
    output = "x" * 7_990 + " " + encodings("hunter2/secret")[form]
    (programs.folder / "output").write_text(output, encoding="utf-8")
    programs.add("sshpass", f"cat {programs.folder}/output >&2", "exit 255")
    (seen,) = look(Login("ssh://root:hunter2%2Fsecret@web1"))
    assert not Secrets(("hunter2/secret",)).are_in(repr(seen).encode())
    assert "cret" not in repr(seen)


@pytest.mark.parametrize(
    "hostspec",
    ["ssh://-oProxyCommand=touch${IFS}%2Ftmp%2Fran", "ssh://root@-oProxyCommand=id", "docker://--help", "podman://-x"],
)
def test_host_name_that_is_an_option_of_the_login_is_refused(hostspec: str, programs: Programs) -> None:
    for program in ("ssh", "docker", "podman"):
        programs.add(program, f"touch {programs.folder}/ran", "exit 255")
    failure = failure_of(Login(hostspec))
    assert failure.kind == "unresolvable"
    assert "a host's name cannot begin with '-'" in failure.detail
    assert not (programs.folder / "ran").exists()


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("ssh://root:p@web1:22?sudo=true", "ssh://root@web1:22?sudo=true"),
        ("root:p@web1", "root@web1"),
        ("ssh://web1:22", "ssh://web1:22"),
        ("ssh://[2001:db8::1]:22", "ssh://[2001:db8::1]:22"),
        ("local://", "local://"),
    ],
)
def test_host_specification_is_shown_without_its_password(given: str, shown: str) -> None:
    assert redacted(given) == shown


def test_endless_output_is_cut(tmp_path: Path) -> None:
    finished = run_bounded(Command("yes"), 20.0, threading.Event())
    assert finished.cut == "too-much"
    assert tmp_path.exists()


def test_stopped_run_ends_its_commands() -> None:
    stop = threading.Event()
    threading.Timer(0.3, stop.set).start()
    began = time.monotonic()
    assert run_bounded(Command("sleep 30"), 20.0, stop).cut == "stopped"
    assert time.monotonic() - began < 20


def test_command_that_prompts_has_no_input_and_no_terminal() -> None:
    finished = run_bounded(
        Command("read answer || echo no-input; test -c /dev/tty && : </dev/tty"), 5.0, threading.Event()
    )
    assert finished.stdout == b"no-input\n"
    assert finished.rc != 0


def test_missing_module_or_connection_names_what_to_install() -> None:
    failure = hosts_of("nonsense://web1", {}, Bounds(5.0))
    assert isinstance(failure, ProbeFailure)
    assert "Unknown connection type 'nonsense'" in failure.detail


def test_empty_inventory_names_no_host(programs: Programs) -> None:
    empty = json.dumps({"_meta": {"hostvars": {}}, "all": {"children": ["ungrouped"]}})
    programs.add("ansible-inventory", f"echo '{empty}'")
    failure = failure_of(Login("ansible://all", {"ansible_inventory": str(programs.folder / "hosts")}))
    assert (failure.kind, failure.stage) == ("unresolvable", "login")
    assert "ansible://all" in failure.detail


def test_inventory_returns_each_host_with_its_own_login(programs: Programs) -> None:
    hosts = {"mail": {"ansible_host": "192.0.2.1", "ansible_user": "root"}, "web": {"ansible_connection": "local"}}
    listing = json.dumps({"_meta": {"hostvars": hosts}, "all": {"hosts": list(hosts)}})
    programs.add("ansible-inventory", f"echo '{listing}'")
    programs.add("ssh", f'printf "%s\\n" "$*" | head -n 1 >{programs.folder}/arguments', "exit 255")
    mail, web = look(Login("ansible://all", {"ansible_inventory": str(programs.folder / "two")}))
    assert (str(mail.host.endpoint), mail.host.endpoint.hostspec) == ("mail/", "ansible://mail")
    assert mail.host.failure is not None
    assert "BatchMode=yes" in programs.text("arguments")
    assert web.host.failure is None


def test_hosts_with_the_same_label_are_distinguished() -> None:
    logins = ["ssh://a@web1", "ssh://web1:2222", "docker://web1", "ssh://b@web1", "ssh://c@web1"]
    hosts: list[Host] = []
    for login in logins:
        found = hosts_of(login, {}, Bounds(5.0))
        assert not isinstance(found, ProbeFailure)
        hosts += found
    labels = [host.label for host in distinguish(hosts)]
    assert labels == ["web1", "web1:2222", "docker:web1", "ssh:web1", "web1+2"]


def test_hanging_inventory_costs_its_deadline(programs: Programs) -> None:
    programs.add("ansible-inventory", "sleep 60")
    failure = failure_of(Login("ansible://all", {"ansible_inventory": str(programs.folder / "slow")}, timeout_s=0.3))
    assert failure.kind == "timeout"


def test_transport_without_a_deadline_is_abandoned() -> None:
    began, ended = time.monotonic(), threading.Event()
    with pytest.raises(TimeoutError):
        in_time(lambda: ended.wait(60), 0.1)
    assert time.monotonic() - began < 40
    ended.set()


def test_bug_in_a_transport_is_raised_in_the_waiting_thread() -> None:
    with pytest.raises(ZeroDivisionError):
        in_time(lambda: 1 // 0, 5.0)


@pytest.mark.usefixtures("own_network")
def test_login_without_a_host_name_has_its_own_label() -> None:
    first, second = look(Login("nonsense://root:p@local"), Login("local://"))
    assert str(second.host.endpoint) == "local/"
    assert str(first.host.endpoint) == "local+2/"


def test_passwords_of_a_login_and_scripts_are_not_arguments(programs: Programs) -> None:
    seen = f'{{ tr "\\0" " " </proc/$PPID/cmdline; echo "$*"; }} >{programs.folder}/words'
    programs.add("sshpass", seen, f'echo "$SSHPASS" >{programs.folder}/given', "exit 255")
    failure_of(Login("ssh://root:hunter2@web1"))
    words = programs.text("words")
    assert "hunter2" not in words
    assert "section" not in words
    assert programs.text("given") == "hunter2\n"
