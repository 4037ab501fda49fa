"""A host to be repaired, a Store, and a controller that can be killed, over `ssh://` or on the host itself.

It plants one expired certificate for some services and audits; it judges nothing.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, Self

from tests.real import auditing, login
from tests.real.daemons import DAEMONS
from tests.real.host import Host, connect, name_hosts, running_host
from tests.real.lab import NAMES, serve
from tests.real.overlay import CHECKOUT
from tests.real.pki import Authority, Credential

WEB1: Final = NAMES["main"].main
STORE: Final = "/run/store"
FOUND: Final = "/run/found.jsonl"
_OWN_ADDRESS: Final = "198.18.0.2"
_WEBSITE: Final = r"""
sed -i 's|^http {|http { server { listen 80; listen [::]:80; root /var/www/html; }|' /etc/nginx/nginx.conf
nginx -s reload
"""


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


@dataclass(frozen=True, slots=True)
class Fleet:
    """The host where controllers run, the one that is repaired, and how it is logged into."""

    near: Host
    web1: Host
    hostspec: str
    address: str
    authority: Authority
    store: Talk
    access: dict[str, str] = field(default_factory=dict)

    def audit(self) -> auditing.AuditRun:
        """Audit the host with all anchors; what is found is what the next repair decides from."""
        trust = [f"--audit-trust={file}" for file in self.anchors]
        run = auditing.audit(self.near, *trust, f"--hosts={self.hostspec}")
        self.near.shell(f"cp /run/audit/results.jsonl {FOUND}")
        return run

    @property
    def anchors(self) -> list[str]:
        """The files of the anchors, the Store's CA among them."""
        return [auditing.ANCHOR, f"{STORE}/store-root.pem"]

    def controller(self, state: str, **changes: Any) -> Talk:  # noqa: ANN401 - any option
        """Start a controller with a state folder."""
        options = {"hosts": [self.hostspec], "state": state, "results": FOUND, "anchors": self.anchors, **self.access}
        return Talk(self.near, "tests.real.repairing", json.dumps({**options, **changes}))

    def orders(self) -> int:
        """Return how many orders the Store was ever given."""
        return self.near.shell(f"cat {STORE}/orders.jsonl 2>/dev/null || :").count('"idempotency_key"')

    def watching(self, *ports: int) -> Talk:
        """Watch services by TLS from where controllers run."""
        return Talk(self.near, "tests.real.watch", *(f"{self.address}:{port}:{WEB1}" for port in ports))


@contextmanager
def running_fleet(authority: Authority, *services: str, over_ssh: bool) -> Iterator[Fleet]:
    """Run a host whose services serve one expired certificate, and a Store beside the controllers."""
    expired = authority.issue(WEB1, begins=-90, lasts=60)
    with running_host("main", WEB1) as web1:
        if not over_ssh:
            web1.shell(f"ip addr add {_OWN_ADDRESS}/32 dev lo")
            name_hosts(web1, _names(_OWN_ADDRESS))
            _serve(web1, authority, expired, services)
            with _served_store(web1, _OWN_ADDRESS, _OWN_ADDRESS) as (store, access):
                yield _trusting(Fleet(web1, web1, "local://", _OWN_ADDRESS, authority, store, access))
            return
        with running_host("main", "auditor.example.test") as auditor:
            public_key = login.make_key(auditor)
            address = connect(auditor, web1, 1)
            name_hosts(web1, _names(address))
            name_hosts(auditor, {"auditor.example.test": ("127.0.1.1",), **_names(address)})
            login.admit(web1, public_key)
            login.know(auditor, web1)
            _serve(web1, authority, expired, services)
            with _served_store(auditor, "198.18.1.1", address) as (store, access):
                yield _trusting(Fleet(auditor, web1, f"ssh://root@{WEB1}", address, authority, store, access))


def _names(address: str) -> dict[str, tuple[str, ...]]:
    return {WEB1: (address,), NAMES["main"].second: (address,)}


def _serve(web1: Host, authority: Authority, credential: Credential, services: tuple[str, ...]) -> None:
    names = NAMES["main"]
    for daemon in DAEMONS:
        if daemon.name in services:
            serve(web1, daemon, names, (credential, authority.issue(names.second)))
    web1.shell(_WEBSITE)
    web1.wait_for(80)


@contextmanager
def _served_store(near: Host, source: str, address: str) -> Iterator[tuple[Talk, dict[str, str]]]:
    with Talk(near, "tests.real.storefront", STORE, source, f"{WEB1}={address}") as store:
        yield store, store.hear()


def _trusting(fleet: Fleet) -> Fleet:
    auditing.trust(fleet.near, fleet.authority.anchor)
    return fleet
