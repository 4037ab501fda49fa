"""The switch by WHM API 1: installed, taken back, refused, told why, and never a key where it does not belong."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from remediate.cpanel.panel import Panel
from remediate.deployment.cpanel import panel_deployment
from remediate.hosts.command import Command
from remediate.hosts.workdir import PROLOGUE
from tests.integration.remediate.deployment.test_switch_killed import killed_there
from tests.support.crash_points import STRIDE
from tests.support.remediate.folder_services import Pair, new_pair
from tests.support.remediate.local_commands import ask, run
from tests.support.remediate.whm_folder import PanelPlace, new_panel_place

Pairs = tuple[Pair, Pair, Pair]
ANSWERS = "#!/bin/sh\ncase $1 in --help) echo --input --output; exit ;; esac\n"
"""What `whmapi1` is replaced by begins with: it tells how it is used."""


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Pairs:
    folder = tmp_path_factory.mktemp("pairs")
    return new_pair(folder, "old"), new_pair(folder, "new"), new_pair(folder, "other")


@pytest.fixture
def place(tmp_path: Path, pairs: Pairs) -> PanelPlace:
    return new_panel_place(tmp_path / "host", "exim", pairs[0])


def of(pair: Pair) -> tuple[str, str]:
    return pair.certificate, pair.key


def secrets_of(*pairs: Pair) -> list[str]:
    return [line for pair in pairs for line in pair.key.splitlines() if "-----" not in line]


def wrapped(place: PanelPlace, text: str) -> None:
    """Put a program in the place of `whmapi1` that may call it as `$real`."""
    real = place.program.with_name("real")
    if not real.exists():
        place.program.rename(real)
    place.program.write_text(f"#!/bin/sh\nreal={real}\n{text}")
    place.program.chmod(0o755)


@contextmanager
def watching(secrets: list[str]) -> Iterator[list[str]]:
    """Look at the command lines of all processes as long as the context lasts; yield those that held a secret."""
    found: list[str] = []
    stop = threading.Event()

    def look_on() -> None:
        while not stop.is_set():
            for one in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    line = one.read_bytes().decode(errors="replace")
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


@pytest.mark.parametrize("service", ["exim", "cpanel"])
def test_certificate_installed_by_the_panel_stays_after_confirmation(
    tmp_path: Path, pairs: Pairs, service: str
) -> None:
    place = new_panel_place(tmp_path / "host", service, pairs[0])
    name = place.stage(pairs[1])
    assert place.served == of(pairs[0])
    assert place.start(name).ok
    waiting = place.wait_for("waiting")
    assert (waiting.live, waiting.proven, waiting.notes) == (name, "0", ())
    assert [each for each, _ in waiting.gaps] == [service]
    assert place.served == of(pairs[1])
    progress = place.confirm(name)
    assert (progress.last.state, progress.live, progress.proven, progress.before) == ("confirmed", name, name, "0")
    assert place.calls == [f"install_service_ssl_certificate {service} input"]
    assert not [one for one in (place.root / "var/cpanel/ssl").rglob("*") if one.is_symlink()]


@pytest.mark.parametrize("service", ["exim", "cpanel"])
def test_unconfirmed_certificate_is_reverted(tmp_path: Path, pairs: Pairs, service: str) -> None:
    place = new_panel_place(tmp_path / "host", service, pairs[0])
    place.start(place.stage(pairs[1]), confirm_within_s=1)
    progress = place.wait_for("returned")
    assert (progress.live, progress.proven, progress.last.detail) == ("0", "0", "not confirmed within 1 s")
    assert place.served == of(pairs[0])


def test_service_without_a_certificate_is_reverted_to_a_self_signed_one(tmp_path: Path, pairs: Pairs) -> None:
    place = new_panel_place(tmp_path / "host", "exim", None)
    place.start(place.stage(pairs[1]), confirm_within_s=1)
    assert place.wait_for("returned").proven == "0"
    assert place.calls[-1] == "reset_service_ssl_certificate exim arguments"
    assert place.served[0] not in (pairs[0].certificate, pairs[1].certificate)


@pytest.mark.parametrize(
    ("program", "why"),
    [
        (ANSWERS + "exec sleep 60\n", "exim: whmapi1 sent no response within 1 s"),
        (ANSWERS + "echo '{\"data\":'\n", "exim: whmapi1 sent a response that cannot be parsed"),
        (ANSWERS + "echo 'Segmentation fault'; exit 3\n", "exim: whmapi1 sent a response that cannot be parsed"),
        (
            ANSWERS + 'echo \'{"metadata":{"result":1}} and more\'\n',
            "exim: whmapi1 sent a response that cannot be parsed",
        ),
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
    ids=["hangs", "half an answer", "garbage", "more", "nothing", "killed", "no help", "missing", "refuses"],
)
def test_failed_installation_is_reported_and_changes_no_file(
    tmp_path: Path, pairs: Pairs, program: str, why: str
) -> None:
    place = new_panel_place(tmp_path / "host", "exim", pairs[0], answers_s=1)
    place.program.unlink()
    if program:
        place.program.write_text(program)
        place.program.chmod(0o755)
    before = {one: one.stat().st_mtime_ns for one in (place.root / "var/cpanel/ssl").rglob("*")}
    place.start(place.stage(pairs[1]))
    progress = place.wait_for("refused")
    assert (progress.last.detail, progress.live, progress.gaps) == (why, "0", ())
    assert {one: one.stat().st_mtime_ns for one in before} == before


def test_key_in_a_reason_is_removed(place: PanelPlace, pairs: Pairs) -> None:
    answer = place.root / "answer.json"
    line = pairs[1].key.splitlines()[1]
    answer.write_text(f'{{"metadata":{{"result":0,"reason":"bad {line} and -----BEGIN PRIVATE KEY-----\\n{line}"}}}}')
    wrapped(place, f"{ANSWERS}cat {answer}")
    place.start(place.stage(pairs[1]))
    assert place.wait_for("refused").last.detail == "exim: WHM refuses: bad (a long word) and"


def test_partial_installation_is_reverted(place: PanelPlace, pairs: Pairs) -> None:
    wrapped(
        place,
        f'case "$*" in *install*) [ -e {place.root}/died ] || {{ touch {place.root}/died;'
        ' WHMAPI1_DIES_AFTER=1; export WHMAPI1_DIES_AFTER; } ;; esac\nexec "$real" "$@"\n',
    )
    place.start(place.stage(pairs[1]))
    progress = place.wait_for("returned")
    assert progress.last.detail == "exim: whmapi1 was killed before it sent a response"
    assert (progress.live, place.served) == ("0", of(pairs[0]))
    assert (place.root / "var/cpanel/ssl/exim/exim.key").read_text() == pairs[0].key


def test_failed_restoration_is_reported_and_the_new_version_is_kept(place: PanelPlace, pairs: Pairs) -> None:
    name = place.stage(pairs[1])
    place.start(name)
    place.wait_for("waiting")
    wrapped(place, ANSWERS + 'echo \'{"metadata":{"result":0,"reason":"no"}}\'')
    progress = place.revert(name)
    assert (progress.last.state, progress.live) == ("kept", name)
    assert (
        progress.last.detail == "reverted on request; the previous version could not be restored: exim: WHM refuses: no"
    )


def test_key_in_the_process_list_is_noted_without_standard_input(place: PanelPlace, pairs: Pairs) -> None:
    wrapped(place, '[ "$1" != --help ] || { echo "--output=json"; exit; }\nexec "$real" "$@"\n')
    name = place.stage(pairs[1])
    place.start(name)
    (note,) = place.wait_for("waiting").notes
    assert "the key of exim was in the process list" in note
    assert place.served == of(pairs[1])
    assert place.calls == ["install_service_ssl_certificate exim arguments"]
    # a switch that went on would put the old key into the process list while the next test searches that
    assert place.confirm(name).last.state == "confirmed"


def test_key_is_in_no_process_list_output_or_kept_file(place: PanelPlace, pairs: Pairs) -> None:
    secrets = secrets_of(*pairs[:2])
    with watching(secrets) as seen:
        name = place.stage(pairs[1])
        begun = place.starting(name, confirm_within_s=1)
        done = [run(begun), run(needs(place))]
        place.wait_for("returned")
    assert seen == []
    printed = "".join(each.output + each.error for each in done) + str(begun)
    kept = [one for one in place.root.rglob("*") if one.is_file() and one.suffix not in (".key", ".pem")]
    assert len(kept) > 8
    assert not [one for one in secrets if one in printed + "".join(path.read_text() for path in kept)]


def needs(place: PanelPlace, *paths: str) -> Command:
    """Return the command that says what the host lacks."""
    given = paths or tuple(one.path for one in place.file_set.targets)
    script = PROLOGUE + 'lacks() { echo "lacks $*"; }\n' + panel_deployment(place.panel).needs
    return Command("server", "", script, (*place.file_set.workdir.leading_arguments, *given))


def test_missing_requirements_of_a_host_are_reported(place: PanelPlace, pairs: Pairs) -> None:
    assert run(needs(place)).output == ""
    strange = f"{place.root}/var/cpanel/ssl/chat/chat.pem"
    assert run(needs(place, strange)).output == "lacks WHM has no service chat\n"
    wrapped(place, ANSWERS + "echo no")
    assert run(needs(place)).output == "lacks whmapi1 sent a response that cannot be parsed\n"
    place.program.unlink()
    assert run(needs(place)).output == "lacks whmapi1 is not installed on the host\n"
    assert place.served == of(pairs[0])


def test_certificate_installed_by_another_program_is_restored(place: PanelPlace, pairs: Pairs) -> None:
    place.start(place.stage(pairs[1]), confirm_within_s=0)
    place.wait_until(lambda progress: progress.last.state == "confirmed" and progress.holder is None)
    assert ask(place.deployment.inspect(place.file_set, "0")).changed_paths == ()
    place.give(pairs[2])
    changed = ask(place.deployment.inspect(place.file_set, "0"))
    assert changed.changed_paths == tuple(target.path for target in place.file_set.targets)
    assert changed.leaf_pem == pairs[0].certificate
    assert place.progress().live is None
    place.start(place.stage(pairs[1]), confirm_within_s=1)
    assert place.wait_for("returned").live not in (None, "0")
    assert place.served == of(pairs[2])


def test_chain_that_the_panel_stores_separately_is_restored(place: PanelPlace, tmp_path: Path, pairs: Pairs) -> None:
    signed = signed_by(tmp_path, pairs[2])
    place.give(signed)
    answer = tmp_path / "answer.json"
    escaped = pairs[2].certificate.replace("\n", "\\n").replace("/", "\\/")
    services = (
        f'[{{"service":"ftp","cabundle":""}},{{"cabundle":"{escaped}","key":"{signed.key[:40]}","service":"exim"}}]'
    )
    answer.write_text(f'{{"metadata":{{"result":1,"reason":"OK"}},"data":{{"services":{services}}}}}')
    wrapped(place, f'case "$*" in *fetch*) cat {answer}; exit ;; esac\nexec "$real" "$@"\n')
    place.start(place.stage(pairs[1]), confirm_within_s=1)
    place.wait_for("returned")
    assert (place.root / "var/cpanel/ssl/exim/exim.crt").read_text() == signed.certificate + pairs[2].certificate


def signed_by(folder: Path, issuer: Pair) -> Pair:
    """Return a certificate that another one has signed."""
    key, request, certificate = (folder / f"signed.{end}" for end in ("key", "csr", "crt"))
    authority = folder / "authority.crt"
    authority.write_text(issuer.certificate)
    asking: list[str | Path] = [
        "openssl",
        "req",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-subj",
        "/CN=signed",
        "-keyout",
        key,
        "-out",
        request,
    ]
    signing: list[str | Path] = ["openssl", "x509", "-req", "-in", request, "-CA", authority, "-CAkey", issuer.key_path]
    for argv in (asking, [*signing, "-set_serial", "7", "-days", "1", "-out", certificate]):
        subprocess.run(argv, check=True, capture_output=True)
    return Pair(certificate.read_text(), key.read_text(), key)


@pytest.mark.parametrize("number", range(20, 170, STRIDE * 3))
def test_switch_after_a_killed_switch_installs_and_can_be_reverted(
    place: PanelPlace, pairs: Pairs, number: int
) -> None:
    name = place.stage(pairs[1])
    run(killed_there(place.starting(name), number))
    place.wait_until(lambda progress: progress.holder is None or progress.last.state == "waiting")
    place.revert(name) if place.progress().is_running else None
    place.wait_until(lambda progress: progress.holder is None)
    assert place.start(name, confirm_within_s=1).ok
    assert place.wait_for("returned").live == "0"
    assert place.served == of(pairs[0])


def test_panel_owns_only_the_certificates_of_its_services() -> None:
    panel = Panel()
    owned = [
        "/var/cpanel/ssl/cpanel/mycpanel.pem",
        "/var/cpanel/ssl/ftp/pure-ftpd.pem",
        "/var/cpanel/ssl/exim/exim.key",
    ]
    others = ["/var/cpanel/ssl/domain_tls/a.example/combined", "/etc/exim.crt", "/var/cpanel/ssl/exim/old/exim.crt"]
    assert [panel.owns(path) for path in (*owned, *others)] == [True] * 3 + [False] * 3
    assert [panel.default_path(path) for path in (*owned[:1], *others[1:2])] == [
        "/var/cpanel/ssl/cpanel/cpanel.pem",
        others[1],
    ]


@pytest.mark.parametrize("service", ["cpanel", "dovecot", "exim", "pure-ftpd", "proftpd"])
def test_service_is_restarted_by_the_script_of_the_panel(service: str) -> None:
    installer = Panel().installer(service)
    assert installer
    assert (installer.name, installer.check_config("h").changes, installer.reload("h").changes) == (
        service,
        False,
        True,
    )
    assert all("/scripts/restartsrv_" in command.script for command in (installer.reload("h"), installer.start("h")))
    assert Panel().installer("nginx") is None


def test_failed_restart_is_reported_with_its_reason(place: PanelPlace) -> None:
    script = place.root / "scripts/restartsrv_exim"
    script.write_text("#!/bin/sh\necho Waiting; echo 'exim is not set up'; exit 1\n")
    done = run(place.installer.reload("server"))
    assert (done.ok, done.output) == (False, f"{script}: exim is not set up\n")
    script.unlink()
    assert run(place.installer.reload("server")).output == f"there is no {script} on the host\n"


def test_every_script_has_valid_shell_syntax(place: PanelPlace) -> None:
    begun = place.starting("proven")
    texts = (begun.script, *(word for word in begun.arguments if "\n" in word), needs(place).script)
    for text in texts:
        assert subprocess.run(["sh", "-n", "-c", text], capture_output=True, check=False).stderr == b""
