"""The agent that owns a certificate renews it, and the files on disk and the served certificate are verified."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from audit.x509.path.trust_store import TrustAnchors
from remediate.execution.scheduler import repair
from remediate.model.case import Case
from remediate.model.outcome import CaseResult
from remediate.state.journal import Journal
from tests.support.remediate.folder_hosts import CONCURRENCY, Ca, FolderHost, run_context, running_host
from tests.support.remediate.renewal_agents import owned, successor, write_agent


@pytest.fixture
def hosts() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def host(tmp_path: Path, hosts: ExitStack, monkeypatch: pytest.MonkeyPatch) -> FolderHost:
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    return hosts.enter_context(running_host(tmp_path / "a", "a"))


def result_of(host: FolderHost, journal: Journal, case: Case) -> CaseResult:
    (ending,) = repair([case], run_context(journal, Ca(), host), CONCURRENCY)
    return ending


def test_certificate_renewed_by_its_owner_is_loaded_and_served(
    host: FolderHost, journal: Journal, tmp_path: Path
) -> None:
    leaf, renew = successor(host)
    asked = write_agent(tmp_path / "bin/dehydrated", "--cron", f"{renew}; exit 1")  # a hook of its own that failed
    ending = result_of(host, journal, owned(host, "dehydrated"))
    assert (ending.ended_as, host.served, asked.read_text()) == ("proven", leaf, "--cron\n"), ending
    assert not (host.folder / "tls.crt").is_symlink()


def test_untrusted_renewed_certificate_fails_the_verification(
    host: FolderHost, journal: Journal, tmp_path: Path
) -> None:
    leaf, renew = successor(host)
    write_agent(tmp_path / "bin/dehydrated", "--cron", renew)
    untrusting = run_context(journal, Ca(), host, anchors=TrustAnchors({"empty": []}))
    (ending,) = repair([owned(host, "dehydrated")], untrusting, CONCURRENCY)
    assert (ending.ended_as, ending.cause, host.served) == ("failed", "proof.failed", leaf), ending
    assert "was reloaded, but" in ending.note
    assert "no effect" not in ending.note


def test_owner_that_changes_nothing_fails_with_its_output(host: FolderHost, journal: Journal, tmp_path: Path) -> None:
    write_agent(tmp_path / "bin/dehydrated", "--cron", "seq 9999; echo 'Skipping: valid till' 2027 >&2")
    before = host.served
    ending = result_of(host, journal, owned(host, "dehydrated"))
    assert (ending.ended_as, ending.cause, host.served) == ("failed", "owner.unchanged", before)
    assert "it ended with 0:" in ending.note
    assert ending.note.endswith("Skipping: valid till 2027")
    assert len(ending.note) < 4000
    assert (tmp_path / "sslaudit" / "renewal" / "renewal").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("begins", [-90, 5], ids=["expired", "of the future"])
def test_expired_or_future_certificate_counts_as_unchanged(
    host: FolderHost, journal: Journal, tmp_path: Path, begins: int
) -> None:
    write_agent(tmp_path / "bin/dehydrated", "--cron", successor(host, begins=begins)[1])
    assert result_of(host, journal, owned(host, "dehydrated")).cause == "owner.unchanged"


def test_certificate_renewed_before_the_run_is_only_loaded(host: FolderHost, journal: Journal, tmp_path: Path) -> None:
    case, (leaf, _) = owned(host, "dehydrated"), successor(host)
    for name in ("tls.crt", "tls.key"):
        (host.folder / name).write_bytes((host.folder / "next" / name).read_bytes())
    asked = write_agent(tmp_path / "bin/dehydrated", "--cron", "exit 1")
    assert (result_of(host, journal, case).ended_as, host.served, asked.exists()) == ("proven", leaf, False)


def test_missing_owner_is_reported(host: FolderHost, journal: Journal) -> None:
    ending = result_of(host, journal, owned(host, "dehydrated"))
    assert (ending.cause, "there is no dehydrated on the host" in ending.note) == ("owner.not-run", True)


def test_owner_without_a_renewal_command_is_reported(host: FolderHost, journal: Journal) -> None:
    ending = result_of(host, journal, owned(host, "plesk"))
    assert (ending.cause, "no renewal command is known for plesk" in ending.note) == ("case.unknown", True)


@pytest.mark.parametrize(("folder", "ecc"), [("a.example", ""), ("a.example_ecc", " --ecc")])
def test_acme_sh_renews_a_certificate_in_its_own_directory(
    tmp_path: Path, hosts: ExitStack, journal: Journal, folder: str, ecc: str
) -> None:
    home = tmp_path / ".acme.sh"
    home.mkdir()
    host = hosts.enter_context(running_host(home / folder, "a"))
    leaf, renew = successor(host)
    write_agent(home / "acme.sh", f"--renew --home {home} -d a.example{ecc}", renew)
    ending = result_of(host, journal, owned(host, "acme.sh"))
    assert (ending.ended_as, host.served) == ("proven", leaf), ending


def test_acme_sh_renews_a_certificate_that_it_installed_elsewhere(
    host: FolderHost, journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / ".acme.sh"
    monkeypatch.setenv("HOME", str(tmp_path))
    for domain, path in (("b.example", "/etc/b.crt"), ("a.example", f"{host.folder}/tls.crt")):
        (home / domain).mkdir(parents=True)
        (home / domain / f"{domain}.conf").write_text(f"Le_Domain='{domain}'\nLe_RealFullChainPath='{path}'\n")
    leaf, renew = successor(host)
    write_agent(home / "acme.sh", f"--renew --home {home} -d a.example", renew)
    ending = result_of(host, journal, owned(host, "acme.sh"))
    assert (ending.ended_as, host.served) == ("proven", leaf), ending


@pytest.mark.parametrize(
    ("owner", "words"),
    [("certbot", "none of the files is below /etc/letsencrypt"), ("acme.sh", "acme.sh lists none of the files"),
     ("lego", "no systemd unit here runs lego renew")],
)  # fmt: skip
def test_unknown_renewal_is_not_guessed(
    host: FolderHost, journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, owner: str, words: str
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    ending = result_of(host, journal, owned(host, owner))
    assert (ending.cause, words in ending.note) == ("owner.not-run", True), ending


def test_process_that_the_agent_leaves_does_not_keep_the_host_locked(
    host: FolderHost, journal: Journal, tmp_path: Path
) -> None:
    leaf, renew = successor(host)
    write_agent(tmp_path / "bin/dehydrated", "--cron", f"sleep 30 & {renew}")
    assert (result_of(host, journal, owned(host, "dehydrated")).ended_as, host.served) == ("proven", leaf)
