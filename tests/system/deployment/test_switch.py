"""The switch on real nginx, dovecot and exim of one host: served after it, back by itself, refused where it must be."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest
from cryptography import x509

from remediate.deployment.progress import Progress
from remediate.deployment.replace import REPLACE
from remediate.deployment.versions import FileSet, Version
from remediate.hosts.command import Command, CommandResult
from remediate.hosts.workdir import HostWorkdir
from remediate.installers import INSTALLERS
from tests.support.hosts.daemons import DAEMONS, Names
from tests.support.hosts.fleet import Watch
from tests.support.hosts.host import Host, HostFile, running_host
from tests.support.hosts.openssl_client import served, wait_until
from tests.support.hosts.pki import Authority, Credential
from tests.support.hosts.real_lab import serve
from tests.support.remediate.fake_host.session import ask
from tests.support.remediate.fake_host.switch import target, was_interrupted

pytestmark = [pytest.mark.system, pytest.mark.usefixtures("overlays")]

NAMES = Names("web1.example.test", "www.example.test")
THREE = tuple(daemon for daemon in DAEMONS if daemon.name in ("nginx", "dovecot", "exim"))
KEY = "/root/pending.pem"
EXIM_CONF = "/etc/exim4/exim4.conf"
EXIM_OPTIONS = (("tls_certificate", "crt"), ("tls_privatekey", "key"))


@dataclass(frozen=True, slots=True)
class Web1:
    """The host with its three servers, and the files of the certificate that all of them serve."""

    host: Host
    authority: Authority
    old: Credential

    @property
    def file_set(self) -> FileSet:
        """Certificate and key of the host's own name, for each server in files of its own."""
        files = tuple(
            placement
            for daemon in THREE
            for placement in (
                target(f"/etc/ssl/{daemon.name}/main.crt", "lc"),
                target(f"/etc/ssl/{daemon.name}/main.key", "k"),
            )
        )
        return FileSet(HostWorkdir("web1", "c4f3", "test"), files)

    def run(self, command: Command) -> CommandResult:
        """Run a command as a login does."""
        return self.host.execute(command)

    def stage(self, credential: Credential) -> str:
        """Lay a certificate ready and return the version's name."""
        assert wait_until(self.is_free)
        self.host.write(HostFile(KEY, credential.key, 0o600))
        version = Version(credential.certificate, credential.above, KEY)
        done = self.run(REPLACE.stage(self.file_set, version))
        assert done.ok, done
        return version.name

    def start(self, version: str, confirm_within_s: int) -> None:
        """Start a switch of all three."""
        services = [INSTALLERS[daemon.service] for daemon in THREE]
        done = self.run(REPLACE.activate(self.file_set, services, version, confirm_within_s=confirm_within_s))
        assert done.ok, done

    def wait_for(self, state: str) -> Progress:
        """Return where the switch is once it has come to a state."""
        assert wait_until(lambda: self.look().last.state == state), self.look()
        return self.look()

    def look(self) -> Progress:
        """Return where the switch is."""
        return ask(REPLACE.status(self.file_set), self.run)

    def is_free(self) -> bool:
        """Return whether the host's lock is free."""
        return self.look().holder is None

    def leaves(self) -> set[x509.Certificate | None]:
        """Return the leaf certificates that all ports of all servers serve under the host's own name."""
        implicit: list[tuple[int, str | None]] = [(port, None) for daemon in THREE for port in daemon.ports]
        ports = implicit + [place for daemon in THREE for place in daemon.starttls]
        with ThreadPoolExecutor(len(ports)) as pool:
            chains = list(pool.map(lambda place: served(self.host, place[0], NAMES.main, place[1]), ports))
        return {chain[0] if len(chain) == 2 else None for chain in chains}


@pytest.fixture(scope="module")
def web1(overlays: None, authority: Authority) -> Iterator[Web1]:  # noqa: ARG001 - overlays skips or fails first
    with running_host("main", NAMES.main) as host:
        old = authority.issue(NAMES.main)
        for daemon in THREE:
            serve(host, daemon, NAMES, (old, authority.issue(NAMES.second)))
        yield Web1(host, authority, old)


def leaf_of(credential: Credential) -> x509.Certificate:
    return x509.load_pem_x509_certificate(credential.certificate.encode())


def test_unconfirmed_switch_is_reverted_and_a_confirmed_one_stays(web1: Web1) -> None:
    new = web1.authority.issue(NAMES.main)
    name = web1.stage(new)
    assert web1.leaves() == {leaf_of(web1.old)}
    web1.start(name, 1)
    progress = web1.wait_for("returned")
    assert ("waiting" in [event.state for event in progress.events], progress.live) == (True, "0")
    assert wait_until(lambda: web1.leaves() == {leaf_of(web1.old)})
    web1.start(name, 30)
    web1.wait_for("waiting")
    assert wait_until(lambda: web1.leaves() == {leaf_of(new)})
    assert web1.run(REPLACE.confirm(web1.file_set, name)).ok
    progress = web1.look()
    assert (progress.last.state, progress.proven) == ("confirmed", name)
    assert web1.leaves() == {leaf_of(new)}
    assert web1.host.do("stat", "-L", "-c", "%a %G", "/etc/ssl/exim/main.key").split() == ["640", "Debian-exim"]


def test_mismatched_key_is_refused_before_any_change(web1: Web1) -> None:
    new = web1.authority.issue(NAMES.main).with_key_of(web1.old)
    before, links = web1.leaves(), web1.host.do("sh", "-c", "ls -l --time-style=full-iso /etc/ssl/*/main.*")
    web1.host.write(HostFile(KEY, new.key, 0o600))
    done = web1.run(REPLACE.stage(web1.file_set, Version(new.certificate, new.above, KEY)))
    assert (done.ok, "the key does not belong to the certificate" in done.error) == (False, True)
    assert web1.leaves() == before
    assert web1.host.do("sh", "-c", "ls -l --time-style=full-iso /etc/ssl/*/main.*") == links


def test_invalid_configuration_restores_all_servers(web1: Web1) -> None:
    before = web1.leaves()
    name = web1.stage(web1.authority.issue(NAMES.main))
    web1.host.shell("cp /etc/nginx/nginx.conf /root/good; echo 'server {' >> /etc/nginx/nginx.conf")
    web1.start(name, 30)
    result = web1.wait_for("returned").last.detail
    web1.host.shell("cp /root/good /etc/nginx/nginx.conf")
    assert "nginx: " in result
    assert "(as it did before the switch)" in result
    assert web1.leaves() == before


def test_killed_switch_that_is_repeated_installs_on_all_servers(web1: Web1) -> None:
    new = web1.authority.issue(NAMES.main)
    name = web1.stage(new)
    web1.start(name, 30)
    time.sleep(0.2)
    web1.host.shell("kill -KILL $(pgrep -f '^sh.* sslaudit-switch' | head -n 1)")
    assert wait_until(lambda: was_interrupted(web1.look()))
    web1.start(name, 30)
    web1.wait_for("waiting")
    assert wait_until(lambda: web1.leaves() == {leaf_of(new)})
    assert web1.run(REPLACE.revert(web1.file_set, name)).ok
    progress = web1.look()
    assert progress.last.state == "returned"
    assert wait_until(lambda: None not in web1.leaves() and leaf_of(new) not in web1.leaves())


@pytest.fixture
def fixed_paths(web1: Web1) -> Iterator[Web1]:
    """Let exim read its files when it starts: their paths are the same for each name."""
    web1.host.shell(f"cp {EXIM_CONF} /root/exim.conf; {_read_at_start('main')}")
    _start_exim_anew(web1)
    yield web1
    assert wait_until(web1.is_free)
    web1.host.shell(f"cp /root/exim.conf {EXIM_CONF}")
    _start_exim_anew(web1)


def _start_exim_anew(web1: Web1) -> None:
    before = starts(web1)
    web1.host.shell("kill -HUP $(pidof exim4 | tr ' ' '\\n' | sort -n | head -n 1)")
    assert wait_until(lambda: starts(web1) == before + 1)
    web1.host.wait_for(465, 25)


def starts(web1: Web1) -> int:
    """Return how often exim has started, which it does anew at SIGHUP."""
    return web1.host.read("/var/log/exim4/mainlog").count("daemon started")


def _read_at_start(file: str) -> str:
    changes = (f"s|^{option}.*|{option} = /etc/ssl/exim/{file}.{end}|" for option, end in EXIM_OPTIONS)
    return f"sed -i '{';'.join(changes)}' {EXIM_CONF}"


def test_exim_that_watches_its_files_loads_them_without_a_signal(fixed_paths: Web1) -> None:
    before, started = fixed_paths.leaves(), starts(fixed_paths)
    new = fixed_paths.authority.issue(NAMES.main)
    name = fixed_paths.stage(new)
    places = [f"127.0.0.1:{port}:{NAMES.main}" for port in (465, 25)]
    with Watch(fixed_paths.host, *places) as watch:
        fixed_paths.start(name, 30)
        fixed_paths.wait_for("waiting")
        assert wait_until(lambda: fixed_paths.leaves() == {leaf_of(new)})
        fixed_paths.run(REPLACE.revert(fixed_paths.file_set, name))
        fixed_paths.wait_for("returned")
        assert wait_until(lambda: fixed_paths.leaves() == before)
        assert {len(set(answers)) for answers in watch.saw_no_failure().values()} == {2}
    assert starts(fixed_paths) == started


def test_exim_that_does_not_watch_its_files_is_signalled(fixed_paths: Web1) -> None:
    started = starts(fixed_paths)
    fixed_paths.host.shell(_read_at_start("second"))  # exim does not see it: the directory stays the same
    done = fixed_paths.run(INSTALLERS["exim"].reload(NAMES.main))
    assert done.ok, done
    assert wait_until(lambda: starts(fixed_paths) == started + 1)
    fixed_paths.host.wait_for(465)
    second = fixed_paths.host.read("/etc/ssl/exim/second.crt").encode()
    assert list(served(fixed_paths.host, 465, NAMES.main)) == x509.load_pem_x509_certificates(second)


def test_full_disk_changes_no_served_certificate(web1: Web1) -> None:
    new, before = web1.authority.issue(NAMES.main), web1.leaves()
    assert wait_until(web1.is_free)
    web1.host.write(HostFile(KEY, new.key, 0o600))
    workdir = HostWorkdir("web1", "f011", "test", "/full/sslaudit")
    web1.host.shell("mkdir /full; mount -t tmpfs -o size=64k,mode=755 tmpfs /full")
    file_set = FileSet(workdir, web1.file_set.targets)
    version = Version(new.certificate, new.above, KEY)
    seen = set()
    for filled in range(0, 64, 8):
        web1.host.shell(f"rm -rf /full/*; dd if=/dev/zero of=/full/ballast bs=1k count={filled} 2>/dev/null")
        done = web1.run(REPLACE.stage(file_set, version))
        seen.add(done.ok)
        assert web1.host.shell("find /full -name '*.part'") == ""
        if done.ok:
            web1.host.shell("cat /dev/zero >/full/more 2>/dev/null || :")
            services = [INSTALLERS[daemon.service] for daemon in THREE]
            name = version.name
            begun = web1.run(REPLACE.activate(file_set, services, name, confirm_within_s=1))
            assert wait_until(lambda: ask(REPLACE.status(file_set), web1.run).holder is None), begun
    assert seen == {True, False}
    web1.host.shell("rm -f /full/more /full/ballast")
    assert wait_until(lambda: web1.leaves() == before), ask(REPLACE.status(file_set), web1.run)
