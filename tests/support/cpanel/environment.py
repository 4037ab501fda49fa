"""A panel host with its own name servers, provider and mailbox, which can reach nothing else."""

from __future__ import annotations

import email
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from typing import Any, Final

from tests.support.checkout import CHECKOUT
from tests.support.cpanel import names, provider
from tests.support.cpanel.lan import Lan, give, join, require_secluded
from tests.support.cpanel.names import PANEL, STORE
from tests.support.cpanel.server import Panel
from tests.support.hosts.fleet import Talk
from tests.support.hosts.host import Host, HostFile, name_hosts, running_host
from tests.support.store.issuance import Authority, found_authority

SECTIGO: Final = ("178.255.81.12", "178.255.81.13", "91.199.212.132", "199.66.201.132")
"""Where the seed says that the CA validates from. Here these addresses lead to a host of the test."""
ELSEWHERE: Final = "198.18.61.7"
"""An address that no list names."""
CONTACT: Final = "admin@contact.test"
FOLDER: Final = "/run/provider"
MAILBOX: Final = "/var/mailbox"
_CA: Final = "cPanel Lab"  # a certificate of the panel's own provider is recognised by its issuer's name


@dataclass(frozen=True, slots=True)
class Environment:
    """The panel, and the servers that it uses."""

    panel: Panel
    store: Host
    lan: Lan
    provider: Talk
    access: Mapping[str, str]
    authority: Authority

    def ask(self, line: str) -> Any:  # noqa: ANN401 - any JSON
        """Send a command to the provider and return its reply."""
        return self.provider.ask(line)

    def orders(self) -> list[dict[str, Any]]:
        """Return every order that was ever placed."""
        orders: list[dict[str, Any]] = self.ask("orders")
        return orders

    def emails(self) -> list[EmailMessage]:
        """Return the emails that the contact was sent, in their order."""
        count = len(self.store.shell(f"ls {MAILBOX} 2>/dev/null || :").split())
        return [self._letter(number) for number in range(1, count + 1)]

    def _letter(self, number: int) -> EmailMessage:
        return email.message_from_bytes(self.store.read(f"{MAILBOX}/{number}.eml").encode(), policy=SMTP)


@contextmanager
def running_environment() -> Iterator[Environment]:
    """Start all of it but what the panel serves; raises Exposed where something of it leads elsewhere."""
    with ExitStack() as stack:
        tree = {name: stack.enter_context(running_host("names", name)) for name in names.NAME_SERVERS}
        store, host = (stack.enter_context(running_host("main", name)) for name in (STORE, PANEL))
        lan = join(*tree.values(), store, host)
        require_secluded(lan.hosts)
        give(lan, STORE, (*SECTIGO, ELSEWHERE))
        names.tell(lan, tree)
        name_hosts(host, {PANEL: (lan.address(PANEL),)})
        _take_mail(store, lan.address(STORE))
        authority = _founded(lan.address(STORE))
        files = provider.deposit(authority).items()
        store.write(*(HostFile(f"{FOLDER}/{name}", text, 0o600) for name, text in files))
        place = f"{PANEL}={lan.address(PANEL)}"
        argv = ("tests.support.cpanel.provider", FOLDER, lan.address(STORE), ",".join(SECTIGO), place)
        talk = stack.enter_context(Talk(store, *argv))
        yield Environment(Panel(host), store, lan, talk, talk.hear(), authority)


def _founded(address: str) -> Authority:
    """Return the provider's CA, whose list of what it revoked is at an address."""
    now = datetime.now(UTC).replace(microsecond=0)
    return replace(found_authority(now, _CA), crl=f"http://{address}{provider.CRL}")


def _take_mail(store: Host, address: str) -> None:
    store.shell(
        f"cd {CHECKOUT}; {sys.executable} -m tests.support.notify.smtp_sink 25 {MAILBOX} {address} >/dev/null 2>&1 &"
    )
    store.wait_for(25)
