"""Two hosts that serve one name, below a tree of real name servers, a Store beside the one who repairs them.

It plants one expired certificate on both and judges nothing.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Final

from tests.support.checkout import CHECKOUT
from tests.support.hosts import audit_run as auditing
from tests.support.hosts import ssh_login as login
from tests.support.hosts.daemons import DAEMONS, Names
from tests.support.hosts.fleet import STORE, Talk
from tests.support.hosts.host import Host, HostFile, connect, name_hosts, running_host
from tests.support.hosts.name_servers import HINTS, running_tree
from tests.support.hosts.pki import Authority
from tests.support.hosts.real_lab import serve

SHARED: Final = "shared.example.test"
NUMBERS: Final = {"web1": 21, "web2": 22}
"""The cables that the hosts hang on: their addresses are 198.18.NUMBER.2, as the tree has them."""

_CONFIGURATION: Final = """hosts = ["ssh://root@web1.example.test", "ssh://root@web2.example.test"]
trust = ["{anchor}", "{store}/store-root.pem"]
[probe]
root_hints = "hints"
[issuer.store]
kind = "store"
base_url = "{base_url}"
token = {{ file = "token" }}
[remediate]
issuer = "store"
verify_timeout_s = 10
"""
_FOLDER: Final = "/run/audit"
_CONFIGURED: Final = f"{_FOLDER}/sslaudit.toml"
_NGINX: Final = next(daemon for daemon in DAEMONS if daemon.name == "nginx")
_WEBSITE: Final = r"""
sed -i 's|^http {|http { server { listen 80; root /var/www/html; }|' /etc/nginx/nginx.conf
nginx -s reload
"""


@dataclass(frozen=True, slots=True)
class Twins:
    """The host that audits and repairs, and the two that are repaired."""

    near: Host
    webs: tuple[Host, Host]

    def audit(self) -> auditing.AuditRun:
        """Audit both hosts."""
        return auditing.audit(self.near, f"--audit-config={_CONFIGURED}")

    def system_says(self, *addresses: str) -> None:
        """Let the system of who repairs resolve the name to these addresses; none: to those of the tree."""
        name_hosts(self.near, {SHARED: addresses} if addresses else {})

    def repair(self) -> Any:  # noqa: ANN401 - any JSON
        """Repair what the last audit found, and return what the repair says."""
        argv = ("-m", "tests.support.hosts.twin_repair", _CONFIGURED, f"{_FOLDER}/results.jsonl", "/run/state")
        return json.loads(self.near.do("env", "-C", str(CHECKOUT), sys.executable, *argv))

    def files(self) -> list[str]:
        """Return what lies in the folders for validation, on both hosts."""
        found = "find /var/www/html -path '*/.well-known*'"
        return [line for host in self.webs for line in host.shell(found).splitlines()]

    def orders(self) -> int:
        """Return how many orders the Store was ever given."""
        return self.near.shell(f"cat {STORE}/orders.jsonl 2>/dev/null || :").count('"idempotency_key"')


@contextmanager
def running_twins(authority: Authority) -> Iterator[Twins]:
    """Run all of it. The controller logs in by names of the tree, and resolves by it."""
    with ExitStack() as stack:
        near = stack.enter_context(running_tree())
        public_key = login.make_key(near)
        expired = authority.issue(SHARED, begins=-90, lasts=60)
        webs = []
        for label, number in NUMBERS.items():
            webs.append(host := stack.enter_context(running_host("main", f"{label}.example.test")))
            address = connect(near, host, number)
            host.shell(f"ip route add default via 198.18.{number}.1")
            name_hosts(host, {host.name: (address,), SHARED: (address,)})
            login.admit(host, public_key)
            serve(host, _NGINX, Names(SHARED, host.name), (expired, authority.issue(host.name)))
            host.shell(_WEBSITE)
            host.wait_for(80)
        login.know(near, *webs)
        auditing.trust(near, authority.anchor)
        addresses = ",".join(f"198.18.{number}.2" for number in NUMBERS.values())
        sources = ",".join(f"198.18.{number}.1" for number in NUMBERS.values())
        store = stack.enter_context(
            Talk(near, "tests.support.hosts.store_process", STORE, sources, f"{SHARED}={addresses}")
        )
        access = store.hear()
        near.write(
            HostFile(f"{_FOLDER}/hints", HINTS),
            HostFile(f"{_FOLDER}/token", access["token"], 0o600),
            HostFile(
                _CONFIGURED,
                _CONFIGURATION.format(anchor=auditing.ANCHOR, store=STORE, base_url=access["base_url"]),
            ),
        )
        yield Twins(near, (webs[0], webs[1]))
