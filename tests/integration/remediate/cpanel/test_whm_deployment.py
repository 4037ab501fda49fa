"""The switch by WHM API 1: installed, reverted, refused with the reason, and without a leak of the key."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from remediate.cpanel.panel import Panel
from remediate.deployment.cpanel import panel_deployment
from remediate.hosts.command import Command
from remediate.hosts.workdir import PROLOGUE
from tests.integration.remediate.deployment.test_switch_killed import killed_after_its_start
from tests.support.crash_points import STRIDE
from tests.support.remediate.fake_host.ca import AUTHORITY
from tests.support.remediate.fake_host.panel import RESTART_SCRIPTS
from tests.support.remediate.fake_host.session import ask, run
from tests.support.remediate.fake_host.switch import Pairs, SwitchHost, new_pair, new_panel_switch_host
from tests.support.remediate.own_programs import program
from tests.support.remediate.saved_folder import SavedFolder
from tests.support.store.issuance import to_pem

Prepared = Mapping[str, tuple[SwitchHost, SavedFolder]]
ANSWERS = "#!/bin/sh\ncase $1 in --help) echo --input --output; exit ;; esac\n"
"""The first lines of a program that replaces `whmapi1`: it prints its usage."""


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory, pairs: Pairs) -> Prepared:
    """Return a host for each service, which serves the old certificate and has the new one staged."""

    def new(service: str) -> tuple[SwitchHost, SavedFolder]:
        host = new_panel_switch_host(tmp_path_factory.mktemp(service) / "host", service, pairs[0])
        host.stage(pairs[1])
        return host, SavedFolder(host.folder, tmp_path_factory.mktemp("copy") / service)

    return {service: new(service) for service in RESTART_SCRIPTS}


@pytest.fixture
def host(request: pytest.FixtureRequest, prepared: Mapping[str, tuple[SwitchHost, SavedFolder]]) -> SwitchHost:
    """Return the prepared host of a service, Exim if the test names none."""
    host, saved = prepared[getattr(request, "param", "exim")]
    saved.restore()
    return host


EACH_SERVICE = pytest.mark.parametrize("host", RESTART_SCRIPTS, indirect=True)


def wrapped(host: SwitchHost, text: str) -> None:
    """Replace `whmapi1` by a program that can call it as `$real`."""
    real = host.program.with_name("real")
    if not real.exists():
        host.program.rename(real)
    program(host.program, f"#!/bin/sh\nreal={real}\n{text}")


@contextmanager
def watching(secrets: list[str]) -> Iterator[list[str]]:
    """Look at the command lines of all processes as long as the context lasts; yield those that held a secret."""
    found: list[str] = []
    stop = threading.Event()

    def look_on() -> None:
        while not stop.is_set():
            for file in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    line = file.read_bytes().decode(errors="replace")
                except OSError:
                    continue
                if any(secret in line.replace("%2B", "+").replace("%2F", "/") for secret in secrets):
                    found.append(line[:80])
            stop.wait(0.005)

    thread = threading.Thread(target=look_on)
    thread.start()
    try:
        yield found
    finally:
        stop.set()
        thread.join()


@EACH_SERVICE
def test_certificate_installed_by_the_panel_stays_after_confirmation(host: SwitchHost, pairs: Pairs) -> None:
    name = host.stage(pairs[1])
    assert host.served == pairs[0].contents
    assert host.start(name).ok
    waiting = host.wait_for("waiting")
    assert (waiting.live, waiting.proven, waiting.notes) == (name, "0", ())
    assert [each for each, _ in waiting.gaps] == [host.service.name]
    assert host.served == pairs[1].contents
    progress = host.confirm(name)
    assert (progress.last.state, progress.live, progress.proven, progress.before) == ("confirmed", name, name, "0")
    assert host.calls == [f"install_service_ssl_certificate {host.service.name} input"]
    assert not [path for path in (host.folder / "var/cpanel/ssl").rglob("*") if path.is_symlink()]


@EACH_SERVICE
def test_unconfirmed_certificate_is_reverted(host: SwitchHost, pairs: Pairs) -> None:
    progress = host.leave_unconfirmed(pairs[1])
    assert (progress.live, progress.proven, progress.last.detail) == ("0", "0", "not confirmed within 1 s")
    assert host.served == pairs[0].contents


def test_service_without_a_certificate_is_reverted_to_a_self_signed_one(tmp_path: Path, pairs: Pairs) -> None:
    host = new_panel_switch_host(tmp_path / "host", "exim", None)
    assert host.leave_unconfirmed(pairs[1]).proven == "0"
    assert host.calls[-1] == "reset_service_ssl_certificate exim arguments"
    assert host.served[0] not in (pairs[0].certificate, pairs[1].certificate)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (ANSWERS + "exec sleep 60\n", "exim: whmapi1 sent no response within 1 s"),
        (ANSWERS + "echo 'Segmentation fault'; exit 3\n", "exim: whmapi1 sent a response that cannot be parsed"),
        (ANSWERS + "exit 5\n", "exim: whmapi1 sent no response and ended with status 5"),
        (ANSWERS + "cat >/dev/null; kill -KILL $$\n", "exim: whmapi1 was killed before it sent a response"),
        ("#!/bin/sh\necho what\n", "exim: whmapi1 does not print its usage"),
        ("", "whmapi1 is not installed on the host"),
        (
            ANSWERS + 'echo \'{"metadata":{"version":1,"result":0,"reason":"No such \\"thing\\"\\nas \\u0041\\/b"},'
            '"data":{"metadata":{"result":1},"services":[{},[[]],"]}"]}}\'\n',
            'exim: WHM refuses: No such "thing" as ?/b',
        ),
    ],
    ids=["hangs", "garbage", "nothing", "killed", "no help", "missing", "refuses"],
)
def test_failed_installation_is_reported_and_changes_no_file(tmp_path: Path, pairs: Pairs, text: str, why: str) -> None:
    host = new_panel_switch_host(tmp_path / "host", "exim", pairs[0], api_limit_s=1)
    host.program.unlink()
    if text:
        program(host.program, text)
    before = {path: path.stat().st_mtime_ns for path in (host.folder / "var/cpanel/ssl").rglob("*")}
    host.start(host.stage(pairs[1]))
    progress = host.wait_for("refused")
    assert (progress.last.detail, progress.live, progress.gaps) == (why, "0", ())
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_key_in_a_reason_is_removed(host: SwitchHost, pairs: Pairs) -> None:
    answer = host.folder / "answer.json"
    line = pairs[1].key.splitlines()[1]
    answer.write_text(f'{{"metadata":{{"result":0,"reason":"bad {line} and -----BEGIN PRIVATE KEY-----\\n{line}"}}}}')
    wrapped(host, f"{ANSWERS}cat {answer}")
    host.start(host.stage(pairs[1]))
    assert host.wait_for("refused").last.detail == "exim: WHM refuses: bad (a long word) and"


def test_partial_installation_is_reverted(host: SwitchHost, pairs: Pairs) -> None:
    wrapped(
        host,
        f'case "$*" in *install*) [ -e {host.folder}/died ] || {{ touch {host.folder}/died;'
        ' WHMAPI1_DIES_AFTER=1; export WHMAPI1_DIES_AFTER; } ;; esac\nexec "$real" "$@"\n',
    )
    host.start(host.stage(pairs[1]))
    progress = host.wait_for("returned")
    assert progress.last.detail == "exim: whmapi1 was killed before it sent a response"
    assert (progress.live, host.served) == ("0", pairs[0].contents)
    assert host.key.read_text() == pairs[0].key


def test_failed_restoration_is_reported_and_the_new_version_is_kept(host: SwitchHost, pairs: Pairs) -> None:
    name = host.begin(pairs[1])
    wrapped(host, ANSWERS + 'echo \'{"metadata":{"result":0,"reason":"no"}}\'')
    progress = host.revert(name)
    assert (progress.last.state, progress.live) == ("kept", name)
    why = "reverted on request; the previous version could not be restored: exim: WHM refuses: no"
    assert progress.last.detail == why


def test_key_in_the_process_list_is_noted_without_standard_input(host: SwitchHost, pairs: Pairs) -> None:
    wrapped(host, '[ "$1" != --help ] || { echo "--output=json"; exit; }\nexec "$real" "$@"\n')
    name = host.stage(pairs[1])
    host.start(name)
    (note,) = host.wait_for("waiting").notes
    assert "the key of exim was in the process list" in note
    assert host.served == pairs[1].contents
    assert host.calls == ["install_service_ssl_certificate exim arguments"]
    # a switch that went on would put the old key into the process list while the next test searches that
    assert host.confirm(name).last.state == "confirmed"


def test_key_is_in_no_process_list_output_or_kept_file(host: SwitchHost, pairs: Pairs) -> None:
    secrets = [*pairs[0].secrets, *pairs[1].secrets]
    with watching(secrets) as seen:
        name = host.stage(pairs[1])
        begun = host.starting(name, confirm_within_s=1)
        done = [run(begun), run(needs(host))]
        host.wait_for("returned")
    assert seen == []
    printed = "".join(each.output + each.error for each in done) + str(begun)
    kept = [file for file in host.folder.rglob("*") if file.is_file() and file.suffix not in (".key", ".pem")]
    assert len(kept) > 8
    assert not [secret for secret in secrets if secret in printed + "".join(path.read_text() for path in kept)]


def needs(host: SwitchHost, *paths: str) -> Command:
    """Return the command that prints the missing requirements of the host."""
    given = paths or tuple(target.path for target in host.file_set.targets)
    script = PROLOGUE + 'lacks() { echo "lacks $*"; }\n' + panel_deployment(host.panel or Panel()).needs
    return Command("server", "", script, (*host.file_set.workdir.leading_arguments, *given))


def test_missing_requirements_of_a_host_are_reported(host: SwitchHost, pairs: Pairs) -> None:
    assert run(needs(host)).output == ""
    strange = f"{host.folder}/var/cpanel/ssl/chat/chat.pem"
    assert run(needs(host, strange)).output == "lacks WHM has no service chat\n"
    wrapped(host, ANSWERS + "echo no")
    assert run(needs(host)).output == "lacks whmapi1 sent a response that cannot be parsed\n"
    host.program.unlink()
    assert run(needs(host)).output == "lacks whmapi1 is not installed on the host\n"
    assert host.served == pairs[0].contents


def test_certificate_installed_by_another_program_is_restored(host: SwitchHost, pairs: Pairs) -> None:
    host.switch(pairs[1])
    assert ask(host.deployment.inspect(host.file_set, "0")).changed_paths == ()
    host.install(pairs[2])
    changed = ask(host.deployment.inspect(host.file_set, "0"))
    assert changed.changed_paths == tuple(target.path for target in host.file_set.targets)
    assert changed.leaf_pem == pairs[0].certificate
    assert host.progress().live is None
    assert host.leave_unconfirmed(pairs[1]).live not in (None, "0")
    assert host.served == pairs[2].contents


def test_chain_that_the_panel_stores_separately_is_restored(host: SwitchHost, tmp_path: Path, pairs: Pairs) -> None:
    signed, issuer_pem = (
        new_pair(tmp_path, "signed", AUTHORITY.intermediate),
        to_pem(AUTHORITY.intermediate.certificate),
    )
    host.install(signed)
    answer = tmp_path / "answer.json"
    escaped = issuer_pem.replace("\n", "\\n").replace("/", "\\/")
    services = (
        f'[{{"service":"ftp","cabundle":""}},{{"cabundle":"{escaped}","key":"{signed.key[:40]}","service":"exim"}}]'
    )
    answer.write_text(f'{{"metadata":{{"result":1,"reason":"OK"}},"data":{{"services":{services}}}}}')
    wrapped(host, f'case "$*" in *fetch*) cat {answer}; exit ;; esac\nexec "$real" "$@"\n')
    host.leave_unconfirmed(pairs[1])
    assert host.certificate.read_text() == signed.certificate + issuer_pem


@pytest.mark.parametrize("number", range(20, 170, STRIDE * 3))
def test_switch_after_a_killed_switch_installs_and_can_be_reverted(host: SwitchHost, pairs: Pairs, number: int) -> None:
    name = host.stage(pairs[1])
    run(killed_after_its_start(host.starting(name), number))
    host.wait_until(lambda progress: progress.holder is None or progress.last.state == "waiting")
    host.revert(name) if host.progress().is_running else None
    host.wait_until(lambda progress: progress.holder is None)
    assert host.start(name, confirm_within_s=1).ok
    assert host.wait_for("returned").live == "0"
    assert host.served == pairs[0].contents


def test_panel_owns_only_the_certificates_of_its_services() -> None:
    panel = Panel()
    owned = [f"/var/cpanel/ssl/{path}" for path in ("cpanel/mycpanel.pem", "ftp/pure-ftpd.pem", "exim/exim.key")]
    others = ["/var/cpanel/ssl/domain_tls/a.example/combined", "/etc/exim.crt", "/var/cpanel/ssl/exim/old/exim.crt"]
    assert [panel.owns(path) for path in (*owned, *others)] == [True] * 3 + [False] * 3
    assert panel.default_path(owned[0]) == "/var/cpanel/ssl/cpanel/cpanel.pem"
    assert panel.default_path(others[1]) == others[1]


@pytest.mark.parametrize("service", ["cpanel", "dovecot", "exim", "pure-ftpd", "proftpd"])
def test_service_is_restarted_by_the_script_of_the_panel(service: str) -> None:
    installer = Panel().installer(service)
    assert installer
    changes = installer.check_config("h").changes, installer.reload("h").changes
    assert (installer.name, changes) == (service, (False, True))
    assert all("/scripts/restartsrv_" in command.script for command in (installer.reload("h"), installer.start("h")))
    assert Panel().installer("nginx") is None


def test_failed_restart_is_reported_with_its_reason(host: SwitchHost) -> None:
    script = host.folder / "scripts/restartsrv_exim"
    script.write_text("#!/bin/sh\necho Waiting; echo 'exim is not set up'; exit 1\n")
    done = run(host.service.reload("server"))
    assert (done.ok, done.output) == (False, f"{script}: exim is not set up\n")
    script.unlink()
    assert run(host.service.reload("server")).output == f"there is no {script} on the host\n"


def test_every_script_has_valid_shell_syntax(host: SwitchHost) -> None:
    begun = host.starting("proven")
    texts = (begun.script, *(word for word in begun.arguments if "\n" in word), needs(host).script)
    for text in texts:
        assert subprocess.run(["sh", "-n", "-c", text], capture_output=True, check=False).stderr == b""
