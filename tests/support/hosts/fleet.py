"""A host to be repaired, a Store, and a controller that can be killed, over `ssh://` or on the host itself.

It plants one expired certificate for some services and audits; it judges nothing.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import count
from typing import Any, Final, Self

from cryptography import x509

from remediate.installers import INSTALLERS
from remediate.installers.daemon import Daemon as Process
from tests.support.checkout import CHECKOUT
from tests.support.hosts import audit_run as auditing
from tests.support.hosts import ssh_login as login
from tests.support.hosts.daemons import DAEMONS, Daemon, Names
from tests.support.hosts.host import Host, connect, name_hosts, running_host
from tests.support.hosts.openssl_client import served, wait_until
from tests.support.hosts.pki import Authority, Credential
from tests.support.hosts.real_lab import NAMES, serve

WEB1: Final = NAMES["main"].main
WWW: Final = NAMES["main"].second
STORE: Final = "/run/store"
FOUND: Final = "/run/found.jsonl"
OWN_ADDRESS: Final = "198.18.0.2"
_SITE: Final = "server { listen 80; listen [::]:80; root /var/www/html; access_log /var/log/nginx/access.log; }"
_WEBSITE: Final = rf"""
sed -i 's|^http {{|http {{ {_SITE}|' /etc/nginx/nginx.conf
cp -a /etc/nginx /etc/apache2 /root
if pidof -s nginx; then nginx -s reload; else rm -f /etc/nginx/sites-enabled/default; nginx; fi
"""
_AGAIN: Final = r"""
for pid in $(pgrep -f '^sh.* sslaudit-[s]witch' || :); do kill -KILL "$pid" || :; done
for mounted in /full /etc/ssl/nginx /var/www/html; do umount "$mounted" 2>/dev/null || :; done
rm -rf /var/lib/sslaudit /var/www/html/.well-known /full /run/kept
cp -a /root/nginx /root/apache2 /etc
"""
_A_NIGHT_PASSES: Final = """
import sqlite3, sys
with sqlite3.connect(sys.argv[1] + "/journal.sqlite") as journal:
    journal.execute("UPDATE attempts SET next_at = NULL, busy_until = NULL")
"""
_STATES: Final = count()
UNTIL: Final = "n=0; until [ {} ]; do sleep 0.05; n=$((n + 1)); [ $n -lt 1000 ]; done 2>/dev/null"
"""Waits in shell until a condition of `test` holds, and fails after a time limit."""
HELD: Final = UNTIL.format("-e /run/held")


class Talk:
    """A process on a host that answers a line with a line of JSON; it ends with its input."""

    def __init__(self, host: Host, *argv: str) -> None:
        self._process = subprocess.Popen(
            host.command("env", "-C", str(CHECKOUT), sys.executable, "-m", *argv),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def tell(self, line: str) -> None:
        """Send a line."""
        assert self._process.stdin
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def hear(self) -> Any:  # noqa: ANN401 - any JSON
        """Return what the next line says."""
        assert self._process.stdout
        return json.loads(self._process.stdout.readline())

    def ask(self, line: str = "") -> Any:  # noqa: ANN401 - any JSON
        """Send a line and return the answer."""
        self.tell(line)
        return self.hear()

    def end(self) -> str:
        """End it and return what it had left to say."""
        return self._process.communicate()[0]


class Controller(Talk):
    """A controller with a state folder; each run may differ from it in some options."""

    def begin(self, **changes: Any) -> None:  # noqa: ANN401 - any option
        """Begin a run."""
        self.tell(json.dumps(changes))

    def run(self, **changes: Any) -> Any:  # noqa: ANN401 - any option and any JSON
        """Do a run and return what it says."""
        return self.ask(json.dumps(changes))


class Watch(Talk):
    """A client that shakes hands with services until it is asked what it saw; once it is made it has looked at each."""

    def __init__(self, host: Host, *places: str) -> None:
        super().__init__(host, "tests.support.hosts.handshake_watch", *places)
        self.hear()

    def saw_no_failure(self) -> dict[str, list[str]]:
        """End it, and return what each service served, one after another; each always answered.

        Left out is what failed because the two files of a service that reads them at each connection were replaced.
        """
        seen: dict[str, list[str]] = json.loads(self.end())
        assert not [answer for answers in seen.values() for answer in answers if answer.startswith("failed")], seen
        return {place: [one for one in answers if not one.startswith("replaced")] for place, answers in seen.items()}

    def saw_no_gap(self, *, is_replaced: bool) -> bool:
        """End it, and return whether each service always answered, with one leaf or with one and then one other.

        Old workers of nginx answer beside the new ones for a moment.
        """
        leaves, seen = 2 if is_replaced else 1, self.saw_no_failure().values()
        return all(len(set(answers)) == leaves and (answers[0] != answers[-1]) == is_replaced for answers in seen)


@dataclass(frozen=True, slots=True)
class Planted:
    """What the services of the host serve at first: one expired certificate, and another for the second name."""

    daemons: tuple[Daemon, ...]
    old: Credential
    second: Credential
    names: Names = NAMES["main"]

    def serve(self, host: Host) -> None:
        """Start the services, and a website for each name."""
        for daemon in self.daemons:
            serve(host, daemon, self.names, (self.old, self.second))
        host.shell(_WEBSITE)
        host.wait_for(80)

    def serve_again(self, host: Host) -> None:
        """Bring the host back to how it began."""
        host.shell(_AGAIN)
        for daemon in self.daemons:
            host.write(*daemon.files(self.old, self.second))
            host.shell(f"if pidof -s {_process(daemon)}; then {daemon.reload or ':'}; else {daemon.start}; fi")
        host.wait_for(80, *self.ports)
        assert wait_until(lambda: self.leaves(host) == {leaf_of(self.old)}), host.ps()

    def leaves(self, host: Host) -> set[x509.Certificate | None]:
        """Return what the ports serve under the first name; one where they agree."""
        chains = [served(host, port, self.names.main) for port in self.ports]
        return {chain[0] if chain else None for chain in chains}

    @property
    def ports(self) -> tuple[int, ...]:
        """The ports of the services on which TLS comes first."""
        return tuple(port for daemon in self.daemons for port in daemon.ports)


@dataclass(frozen=True, slots=True)
class Fleet:
    """The host where controllers run, the one that is repaired, and how it is logged into."""

    near: Host
    web1: Host
    hostspec: str
    address: str
    planted: Planted
    store: Talk
    access: dict[str, str]

    def audit(self, *more: str) -> auditing.AuditRun:
        """Audit the host (and more) with all anchors; what is found is what the next repair decides from."""
        trust = [f"--audit-trust={file}" for file in self.anchors]
        run = auditing.audit(self.near, *trust, f"--hosts={','.join((self.hostspec, *more))}")
        self.near.shell(f"cp /run/audit/results.jsonl {FOUND}")
        return run

    @property
    def anchors(self) -> list[str]:
        """The files of the anchors, the Store's CA among them."""
        return [auditing.ANCHOR, f"{STORE}/store-root.pem"]

    def new_state(self) -> str:
        """Return a state folder that is not there yet."""
        return f"/run/state{next(_STATES)}"

    def controller(self, state: str | None = None, **changes: Any) -> Controller:  # noqa: ANN401 - any option
        """Start a controller, with a state folder of its own where none is named."""
        options = {
            "hosts": [self.hostspec],
            "state": state or self.new_state(),
            "results": FOUND,
            "anchors": self.anchors,
            **self.access,
        }
        return Controller(self.near, "tests.support.hosts.repair_controller", json.dumps({**options, **changes}))

    def a_night_passes(self, state: str) -> None:
        """Make everything due that an earlier run put off."""
        self.near.do(sys.executable, "-c", _A_NIGHT_PASSES, state)

    def begin_again(self) -> None:
        """Bring the host back to how it began, and the Store to its senses; its orders stay."""
        self.store.ask("behave")
        self.planted.serve_again(self.web1)

    def orders(self) -> int:
        """Return how many orders the Store was ever given."""
        return self.near.shell(f"cat {STORE}/orders.jsonl 2>/dev/null || :").count('"idempotency_key"')

    def watching(self, *ports: int) -> Watch:
        """Watch services, all where none is named, by TLS from where controllers run, and the host's switches."""
        known = [daemon.watched(self.address, WEB1) for daemon in self.planted.daemons]
        places = (place for one in known for port, place in one.items() if port in (ports or self.planted.ports))
        return Watch(replace(self.web1, network=self.near.first_pid), *places)

    def leaves(self) -> set[x509.Certificate | None]:
        """Return what the ports of its services serve; one where they agree."""
        return self.planted.leaves(self.web1)


def leaf_of(credential: Credential) -> x509.Certificate:
    """Return a certificate as a peer sees it."""
    return x509.load_pem_x509_certificate(credential.certificate.encode())


def _process(daemon: Daemon) -> str:
    installer = INSTALLERS[daemon.service]
    assert isinstance(installer, Process)
    return installer.processes[0]


@contextmanager
def running_fleet(
    authority: Authority, *services: str, over_ssh: bool, second: Credential | None = None
) -> Iterator[Fleet]:
    """Run a host whose services serve one expired certificate, and a Store beside the controllers."""
    planted = plant(authority, NAMES["main"], *services, second=second)
    with running_host("main", WEB1) as web1:
        if not over_ssh:
            web1.shell(f"ip addr add {OWN_ADDRESS}/32 dev lo")
            name_hosts(web1, _led_to(OWN_ADDRESS, planted.names))
            planted.serve(web1)
            with served_store(web1, OWN_ADDRESS, OWN_ADDRESS) as (store, access):
                auditing.trust(web1, authority.anchor)
                yield Fleet(web1, web1, "local://", OWN_ADDRESS, planted, store, access)
            return
        with running_host("main", "auditor.example.test") as auditor:
            public_key = login.make_key(auditor)
            address = _join(auditor, web1, planted, 1)
            login.admit(web1, public_key)
            login.know(auditor, web1)
            with served_store(auditor, "198.18.1.1", address) as (store, access):
                auditing.trust(auditor, authority.anchor)
                yield Fleet(auditor, web1, f"ssh://root@{WEB1}", address, planted, store, access)


def plant(authority: Authority, names: Names, *services: str, second: Credential | None = None) -> Planted:
    """Return what services of a host serve at first; the certificate of its second name is good, or another."""
    daemons = tuple(daemon for daemon in DAEMONS if daemon.name in services)
    expired = authority.issue(names.main, begins=-90, lasts=60)
    return Planted(daemons, expired, second or authority.issue(names.second), names)


@contextmanager
def running_beside(fleet: Fleet, planted: Planted) -> Iterator[Host]:
    """Run another host that the controller can log into and the Store can resolve."""
    with running_host("main", planted.names.main) as host:
        address = _join(fleet.near, host, planted, 2)
        login.admit(host, fleet.near.read("/root/.ssh/id.pub"))
        login.know(fleet.near, fleet.web1, host)
        for name in _led_to(address, planted.names):
            fleet.store.ask(f"at {name}={address}")
        yield host


def _join(near: Host, host: Host, planted: Planted, number: int) -> str:
    """Join a host to the one that repairs, let both resolve its names, and start its services."""
    address = connect(near, host, number)
    names = _led_to(address, planted.names)
    name_hosts(host, names)
    lines = "".join(f"{address} {name}\n" for name in names)
    near.shell(f"printf '%s' '{lines}' >>/etc/hosts")
    planted.serve(host)
    return address


def _led_to(address: str, names: Names) -> dict[str, tuple[str, ...]]:
    return {names.main: (address,), names.second: (address,)}


@contextmanager
def served_store(near: Host, source: str, address: str) -> Iterator[tuple[Talk, dict[str, str]]]:
    places = (f"{name}={address}" for name in _led_to(address, NAMES["main"]))
    with Talk(near, "tests.support.hosts.store_process", STORE, source, *places) as store:
        yield store, store.hear()
