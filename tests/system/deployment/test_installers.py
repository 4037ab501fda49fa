"""Every installer on its real server: the new certificate is taken up, the old one again, and a gap is measured."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from cryptography import x509

from audit.observation import FileKind, InstalledFile
from remediate.deployment.replace import REPLACE
from remediate.deployment.versions import FileSet, Version, file_targets
from remediate.hosts.workdir import ROOT, HostWorkdir
from remediate.installers import INSTALLERS
from remediate.installers.daemon import Daemon as Process
from tests.support.hosts.daemons import DAEMONS, Daemon, Names
from tests.support.hosts.fleet import Watch
from tests.support.hosts.host import Host, HostFile, running_host
from tests.support.hosts.openssl_client import served, wait_until
from tests.support.hosts.pki import Authority, Credential
from tests.support.hosts.real_lab import serve
from tests.support.remediate.fake_host.session import ask

pytestmark = [pytest.mark.system, pytest.mark.usefixtures("overlays")]

NAMES = Names("web1.example.test", "www.example.test")
OTHERS = [daemon for daemon in DAEMONS if daemon.name not in ("nginx", "dovecot", "exim")]
RESTARTED = ("pure-ftpd", "vsftpd")
RESTART = {"BrokenPipeError", "ConnectionRefusedError", "ConnectionResetError", "EOFError", "SSLEOFError"}
"""What a client sees of a service that is restarted: the restart may end a handshake at any point."""


@pytest.fixture(params=OTHERS, ids=lambda daemon: daemon.name)
def daemon(request: pytest.FixtureRequest) -> Daemon:
    chosen: Daemon = request.param
    return chosen


@pytest.fixture
def host(daemon: Daemon) -> Iterator[Host]:
    with running_host(daemon.overlay, NAMES.main) as running:
        yield running


def installed(daemon: Daemon) -> FileSet:
    kinds: dict[str, FileKind] = {"certificate": "certificate", "key": "key"}
    files = [InstalledFile(path, kinds[kind]) for kind, path in daemon.kept(is_second=False)]
    return FileSet(HostWorkdir("web1", "c4f3", "test"), file_targets(files, ROOT))


def leaf_of(credential: Credential) -> x509.Certificate:
    return x509.load_pem_x509_certificate(credential.certificate.encode())


def failures(watch: Watch) -> set[str]:
    """End a client that watches, and return the names of the errors that it saw."""
    seen: dict[str, list[str]] = json.loads(watch.end())
    assert all(len(answers) > 2 for answers in seen.values()), seen
    return {answer.split(": ")[1] for answers in seen.values() for answer in answers if answer.startswith("failed")}


def test_new_certificate_is_served_and_then_the_old_one_again(daemon: Daemon, host: Host, authority: Authority) -> None:
    old, new = authority.issue(NAMES.main), authority.issue(NAMES.main)
    serve(host, daemon, NAMES, (old, authority.issue(NAMES.second)))
    places = [*((port, None) for port in daemon.ports), *daemon.starttls]

    def all_serve(credential: Credential) -> bool:
        chains = [served(host, port, NAMES.main, word) for port, word in places]
        return all(chain == (leaf_of(credential), authority.intermediate.certificate) for chain in chains)

    assert all_serve(old)
    file_set = installed(daemon)
    host.write(HostFile("/root/pending.pem", new.key, 0o600))
    version = Version(new.certificate, new.above, "/root/pending.pem")
    name = version.name
    assert host.execute(REPLACE.stage(file_set, version)).ok

    def progress_is(state: str) -> bool:
        return ask(REPLACE.status(file_set), host.execute).last.state == state

    with Watch(host, *daemon.watched("127.0.0.1", NAMES.main).values()) as watch:
        begun = host.execute(REPLACE.activate(file_set, [INSTALLERS[daemon.service]], name, confirm_within_s=30))
        assert begun.ok, begun
        assert wait_until(lambda: progress_is("waiting")), ask(REPLACE.status(file_set), host.execute)
        assert wait_until(lambda: all_serve(new)), ask(REPLACE.status(file_set), host.execute)
        assert host.execute(REPLACE.revert(file_set, name)).ok
        assert progress_is("returned")
        assert wait_until(lambda: all_serve(old)), ask(REPLACE.status(file_set), host.execute)
        assert failures(watch) <= (RESTART if daemon.name in RESTARTED else set())
    progress = ask(REPLACE.status(file_set), host.execute)
    assert [service for service, _ in progress.gaps] == [daemon.service] * (2 if daemon.name in RESTARTED else 0)
    assert not [event for event in progress.events if event.state == "failed"], progress


def test_server_that_has_ended_is_started_again(daemon: Daemon, host: Host, authority: Authority) -> None:
    credential = authority.issue(NAMES.main)
    serve(host, daemon, NAMES, (credential, authority.issue(NAMES.second)))
    ports = {*daemon.ports, *(port for port, _ in daemon.starttls)}
    installer = INSTALLERS[daemon.service]
    assert isinstance(installer, Process)
    untouched = host.execute(installer.start(NAMES.main))
    assert untouched.ok, untouched
    host.shell(f"for p in {' '.join(installer.processes)}; do kill $(pidof $p) || :; done")
    assert wait_until(lambda: not ports & host.listening())
    assert not host.execute(installer.check_config(NAMES.main)).output
    revived = host.execute(installer.start(NAMES.main))
    assert revived.ok, revived
    host.wait_for(*ports)
