"""Three hosts with every server of the lab, and a fourth that audits them. It plants no fault of its own accord."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Final

from tests.support.hosts import audit_run as auditing
from tests.support.hosts import ssh_login as login
from tests.support.hosts.daemons import DAEMONS, Daemon, Names
from tests.support.hosts.host import Host, connect, name_hosts, running_host
from tests.support.hosts.pki import Authority, Credential

NAMES: Final = {
    "main": Names("web1.example.test", "www.example.test"),
    "second": Names("mail2.example.test", "mx.example.test"),
    "third": Names("files3.example.test", "ftp.example.test"),
}
"""What the host of each overlay is called, and the second name it serves."""

Issue = Callable[[str, Names], tuple[Credential, Credential]]
"""For a server's name and the names of its host: the certificates it is given."""


@dataclass(frozen=True, slots=True)
class Lab:
    """The auditing host, the hosts with servers by overlay, and the argument that makes their CA known."""

    auditor: Host
    hosts: Mapping[str, Host]
    authority: Authority
    trust: str

    def audit(self, *arguments: str) -> auditing.AuditRun:
        """Run an audit on the auditing host that trusts the lab's CA."""
        return auditing.audit(self.auditor, self.trust, *arguments)


def sound(authority: Authority) -> Issue:
    """Return what gives every server good certificates."""
    return lambda _, names: (authority.issue(names.main), authority.issue(names.second))


def serve(host: Host, daemon: Daemon, names: Names, credentials: tuple[Credential, Credential]) -> None:
    """Write a server's configuration and files, start it and wait for its ports."""
    host.write(*daemon.configuration(names), *daemon.files(*credentials))
    host.shell(daemon.start)
    host.wait_for(*daemon.ports, *(port for port, _ in daemon.starttls))


def daemons_of(overlay: str) -> list[Daemon]:
    """Return the servers of one host."""
    return [daemon for daemon in DAEMONS if daemon.overlay == overlay]


@contextmanager
def running_lab(authority: Authority, issue: Issue, *overlays: str) -> Iterator[Lab]:
    """Start the hosts of these overlays with all their servers, known to the auditing host by name and host key."""
    with ExitStack() as stack:
        auditor = stack.enter_context(running_host("main", "auditor.example.test"))
        public_key = login.make_key(auditor)
        hosts, names = {}, {"auditor.example.test": ("127.0.1.1",)}
        for number, overlay in enumerate(overlays, 1):
            own = NAMES[overlay]
            hosts[overlay] = host = stack.enter_context(running_host(overlay, own.main))
            names[own.main] = names[own.second] = (connect(auditor, host, number),)
            name_hosts(host, {own.main: names[own.main]})
            login.admit(host, public_key)
            for daemon in daemons_of(overlay):
                serve(host, daemon, own, issue(daemon.name, own))
        name_hosts(auditor, names)
        login.know(auditor, *hosts.values())
        yield Lab(auditor, hosts, authority, auditing.trust(auditor, authority.anchor))
