"""The agent that owns a certificate renews it, and the files on disk and the served certificate are verified."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from audit.x509.path.trust_store import TrustAnchors
from remediate.model.outcome import CaseResult
from remediate.state.journal import Journal
from tests.support.remediate.fake_host.host import FakeHost, running_host
from tests.support.remediate.renewal_agents import owned, successor, write_agent


@pytest.fixture(autouse=True)
def path_with_agents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    monkeypatch.setenv("HOME", str(tmp_path))


def result_of(host: FakeHost, journal: Journal, owner: str = "dehydrated") -> CaseResult:
    """Let the owner of the certificate renew it and return how that ended."""
    return host.repair(journal, case=owned(host, owner))


def test_certificate_renewed_by_its_owner_is_loaded_and_served(
    host: FakeHost, journal: Journal, tmp_path: Path
) -> None:
    leaf, renew = successor(host)
    asked = write_agent(tmp_path / "bin/dehydrated", "--cron", f"{renew}; exit 1")  # a hook of its own that failed
    ending = result_of(host, journal)
    assert (ending.ended_as, host.served, asked.read_text()) == ("proven", leaf, "--cron\n"), ending
    assert not host.certificate.is_symlink()


def test_untrusted_renewed_certificate_fails_the_verification(host: FakeHost, journal: Journal, tmp_path: Path) -> None:
    leaf, renew = successor(host)
    write_agent(tmp_path / "bin/dehydrated", "--cron", renew)
    ending = host.repair(journal, case=owned(host, "dehydrated"), anchors=TrustAnchors({"empty": []}))
    assert (ending.ended_as, ending.cause, host.served) == ("failed", "proof.failed", leaf), ending
    assert "was reloaded, but" in ending.note
    assert "no effect" not in ending.note


def test_owner_that_changes_nothing_fails_with_its_output(host: FakeHost, journal: Journal, tmp_path: Path) -> None:
    write_agent(tmp_path / "bin/dehydrated", "--cron", "seq 9999; echo 'Skipping: valid till' 2027 >&2")
    before = host.served
    ending = result_of(host, journal)
    assert (ending.ended_as, ending.cause, host.served) == ("failed", "owner.unchanged", before)
    assert "it ended with 0:" in ending.note
    assert ending.note.endswith("Skipping: valid till 2027")
    assert len(ending.note) < 4000
    assert (tmp_path / "sslaudit" / "renewal" / "renewal").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("begins", [-90, 5], ids=["expired", "of the future"])
def test_expired_or_future_certificate_counts_as_unchanged(
    host: FakeHost, journal: Journal, tmp_path: Path, begins: int
) -> None:
    write_agent(tmp_path / "bin/dehydrated", "--cron", successor(host, begins=begins)[1])
    assert result_of(host, journal).cause == "owner.unchanged"


def test_certificate_renewed_before_the_run_is_only_loaded(host: FakeHost, journal: Journal, tmp_path: Path) -> None:
    case, (leaf, _) = owned(host, "dehydrated"), successor(host)
    shutil.copytree(host.folder / "next", host.folder, dirs_exist_ok=True)
    asked = write_agent(tmp_path / "bin/dehydrated", "--cron", "exit 1")
    ending = host.repair(journal, case=case)
    assert (ending.ended_as, host.served, asked.exists()) == ("proven", leaf, False)


@pytest.mark.parametrize(("folder", "ecc"), [("a.example", ""), ("a.example_ecc", " --ecc")])
def test_acme_sh_renews_a_certificate_in_its_own_directory(
    tmp_path: Path, journal: Journal, folder: str, ecc: str
) -> None:
    home = tmp_path / ".acme.sh"
    home.mkdir()
    with running_host(home / folder, "a") as host:
        leaf, renew = successor(host)
        write_agent(home / "acme.sh", f"--renew --home {home} -d a.example{ecc}", renew)
        ending = result_of(host, journal, "acme.sh")
        assert (ending.ended_as, host.served) == ("proven", leaf), ending


def test_acme_sh_renews_a_certificate_that_it_installed_elsewhere(
    host: FakeHost, journal: Journal, tmp_path: Path
) -> None:
    home = tmp_path / ".acme.sh"
    for domain, path in (("b.example", "/etc/b.crt"), ("a.example", host.certificate)):
        (home / domain).mkdir(parents=True)
        (home / domain / f"{domain}.conf").write_text(f"Le_Domain='{domain}'\nLe_RealFullChainPath='{path}'\n")
    leaf, renew = successor(host)
    write_agent(home / "acme.sh", f"--renew --home {home} -d a.example", renew)
    ending = result_of(host, journal, "acme.sh")
    assert (ending.ended_as, host.served) == ("proven", leaf), ending


@pytest.mark.parametrize(
    ("owner", "words"),
    [
        ("certbot", "none of the files is below /etc/letsencrypt"),
        ("acme.sh", "acme.sh lists none of the files"),
        ("lego", "no systemd unit here runs lego renew"),
        ("dehydrated", "there is no dehydrated on the host"),
    ],
)
def test_unknown_renewal_is_reported_and_not_guessed(host: FakeHost, journal: Journal, owner: str, words: str) -> None:
    ending = result_of(host, journal, owner)
    assert (ending.cause, words in ending.note) == ("owner.not-run", True), ending


def test_owner_without_a_renewal_command_is_reported(host: FakeHost, journal: Journal) -> None:
    ending = result_of(host, journal, "plesk")
    assert (ending.cause, "no renewal command is known for plesk" in ending.note) == ("case.unknown", True)


def test_process_that_the_agent_leaves_does_not_keep_the_host_locked(
    host: FakeHost, journal: Journal, tmp_path: Path
) -> None:
    leaf, renew = successor(host)
    write_agent(tmp_path / "bin/dehydrated", "--cron", f"sleep 30 & {renew}")
    assert (result_of(host, journal).ended_as, host.served) == ("proven", leaf)
