"""Keys and CSRs of the openssl on the host are reused and verified, and the key stays on the host."""

from __future__ import annotations

import os
import signal
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from audit.host.trust import TRUST
from remediate.hosts.command import Command, CommandResult
from remediate.hosts.workdir import BUSY, HostWorkdir
from remediate.pki.csr import BadCsr
from remediate.pki.host_key import KEY_TYPES, discard_key_command, key_path, make_csr_command, read_host_csr
from tests.support.remediate.fake_host.session import killed_before, run
from tests.support.store.order_requests import csr_pem

NAMES = ("www.shop.example", "shop.example", "*.shop.example", "2001:db8::1", "192.0.2.7")
FAST = "ecdsa-p256"


@pytest.fixture
def workdir(tmp_path: Path) -> HostWorkdir:
    return HostWorkdir("web1", "c4f3", "test", str(tmp_path / "sslaudit"))


def made(workdir: HostWorkdir, names: tuple[str, ...] = NAMES, key_type: str = FAST) -> CommandResult:
    """Make a key and a CSR, or return those that are there."""
    return run(make_csr_command(workdir, names, key_type))


def secrets_of(workdir: HostWorkdir) -> list[str]:
    """Return the lines of the key that hold the secret."""
    return [line for line in Path(key_path(workdir)).read_text().splitlines() if "-----" not in line]


CLASSICAL = [key_type for key_type in KEY_TYPES if not key_type.startswith("ml-dsa")]  # the others: OpenSSL 3.5


@pytest.mark.parametrize("key_type", CLASSICAL)
def test_csr_has_the_requested_names_and_key_type(workdir: HostWorkdir, key_type: str) -> None:
    csr = read_host_csr(made(workdir, key_type=key_type), NAMES, key_type)
    assert set(csr.names) == set(NAMES)


def test_second_run_returns_the_same_csr(workdir: HostWorkdir) -> None:
    first, second = (made(workdir) for _ in range(2))
    assert first.output == second.output
    assert read_host_csr(second, NAMES, FAST).pem.startswith("-----BEGIN CERTIFICATE REQUEST-----")


def lines_of(command: Command) -> Iterator[int]:
    """Yield the lines of a script before which a statement can stand, after the verbs that it begins with."""
    lines, quoted = command.script.split("\n"), False
    for number, line in enumerate(lines):
        if not quoted and number >= TRUST.count("\n"):
            yield number
        quoted ^= line.count('"') % 2 == 1


def test_script_killed_at_any_line_and_repeated_makes_one_key(tmp_path: Path) -> None:
    command = make_csr_command(HostWorkdir("web1", "c", "test", str(tmp_path)), NAMES, FAST)
    for line in lines_of(command):
        workdir = HostWorkdir("web1", f"c{line}", "test", str(tmp_path))
        whole = make_csr_command(workdir, NAMES, FAST)
        run(killed_before(whole, line))
        pending = Path(key_path(workdir))
        before = pending.read_text() if pending.exists() else None
        read_host_csr(run(whole), NAMES, FAST)
        assert before in (None, pending.read_text()), f"another key after a kill before line {line}"


def test_partial_key_of_a_killed_openssl_is_not_used(workdir: HostWorkdir) -> None:
    pending = Path(key_path(workdir)).parent
    pending.mkdir(parents=True, mode=0o700)
    (pending / "key.new").write_text("-----BEGIN PRIVATE KEY-----\nMIGH")
    read_host_csr(made(workdir), NAMES, FAST)


def test_key_is_private_and_in_no_output(workdir: HostWorkdir) -> None:
    result = made(workdir, key_type="rsa-2048")
    path = Path(key_path(workdir))
    assert (stat.S_IMODE(path.stat().st_mode), stat.S_IMODE(path.parent.stat().st_mode)) == (0o600, 0o700)
    secrets = secrets_of(workdir)
    assert len(secrets) > 20
    for file in workdir_files(workdir):
        assert file == path or not any(line in file.read_text() for line in secrets), file
    assert not any(line in result.output + result.error for line in secrets)


def workdir_files(workdir: HostWorkdir) -> list[Path]:
    return [file for file in Path(workdir.root).rglob("*") if file.is_file()]


def test_csr_for_other_names_is_kept_and_reported(workdir: HostWorkdir) -> None:
    first = made(workdir)
    other = made(workdir, ("other.example",))
    assert (other.status, "other names" in other.error) == (65, True)  # EX_DATAERR
    with pytest.raises(BadCsr, match=r"the host made no CSR: .* for other names"):
        read_host_csr(other, ("other.example",), FAST)
    assert made(workdir).output == first.output


def test_discarded_csr_is_followed_by_a_new_key(workdir: HostWorkdir) -> None:
    first = read_host_csr(made(workdir), NAMES, FAST)
    for _ in range(2):
        assert run(discard_key_command(workdir)).ok
    assert not Path(key_path(workdir)).exists()
    assert read_host_csr(made(workdir), NAMES, FAST).spki_sha256 != first.spki_sha256


def test_locked_host_reports_the_owner_and_time_of_the_lock(workdir: HostWorkdir) -> None:
    holding = run(workdir.exclusive("hold", "setsid sh -c 'sleep 60 >/dev/null 2>&1 & echo $!'\n"))
    done = made(workdir)
    os.kill(int(holding.output), signal.SIGTERM)
    assert done.status == BUSY
    word, since, case, owner = done.output.split()
    assert (word, since.isdigit(), case, owner) == ("locked", True, "c4f3", "test")


@pytest.mark.parametrize(
    "name", ["a b.example", "x.example\n[v3]", "$ENV::HOME.example", "DNS:a.example", "", "localhost"]
)
def test_invalid_name_is_refused_before_openssl(workdir: HostWorkdir, name: str) -> None:
    with pytest.raises(ValueError, match="is not a name"):
        make_csr_command(workdir, (name,), FAST)


@pytest.mark.parametrize("case", ["", "../x", "a/b", "-x", "a b", "x\n"])
def test_case_that_is_not_a_directory_name_is_refused(case: str) -> None:
    with pytest.raises(ValueError, match="is not a valid directory name"):
        HostWorkdir("web1", case, "test")


def test_csr_with_another_key_and_other_names_is_refused_with_both() -> None:
    answer = CommandResult(0, csr_pem("a.example", key=ec.generate_private_key(ec.SECP384R1())))
    with pytest.raises(BadCsr, match=r"for a\.example, not for b\.example; its key is EC P-384, not EC P-256"):
        read_host_csr(answer, ("b.example",), FAST)


def test_name_too_long_for_a_common_name_is_only_an_alternative_name(workdir: HostWorkdir) -> None:
    name = f"{'a' * 60}.{'b' * 60}.example"
    assert read_host_csr(made(workdir, (name,)), (name,), FAST).names == (name,)
