"""The panel's host at the beginning of a chapter of the seed's story, and what the chapter came to.

It brings the host to where a chapter begins, whatever chapter came before. It judges nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import EmailMessage
from typing import Any, Final

from tests.support.cpanel import daemons, layout
from tests.support.cpanel.command import ARGV, KEPT, REPORTS, STATE, Command, Said
from tests.support.cpanel.credentials import Credentials, other_authority
from tests.support.cpanel.environment import CONTACT, Environment, running_environment
from tests.support.cpanel.names import PANEL
from tests.support.cpanel.vendor_command import IDLE
from tests.support.hosts.fleet import Talk
from tests.support.hosts.pki import Credential

TOUCH: Final = "/var/cpanel/ssl/disable_"
CMDLINES: Final = "/run/cmdlines"
CALLS: Final = "/var/cpanel/whmapi1.calls"
EARLIER: Final = "/root/earlier"
"""Where what earlier chapters left is kept: nothing that was written is forgotten."""
_AGAIN: Final = f"""
nft flush ruleset
mkdir -p {EARLIER}; earlier={EARLIER}/$(ls {EARLIER} | wc -l); mkdir $earlier
for left in {STATE} {KEPT} {REPORTS} {CALLS}; do [ ! -e $left ] || mv $left $earlier/$(echo $left | tr / _); done
rm -rf {TOUCH}* {IDLE} {daemons.DOCROOT}/.well-known
for job in $(atq | cut -f1); do atrm "$job"; done
: >{daemons.LOG}
"""
_LISTING: Final = (
    rf"find /var/cpanel /etc /var/www {KEPT} -path {daemons.LOG} -o -printf '%p %l %s %T@ %C@ %m %u %g\n' | sort"
)


@dataclass(frozen=True, slots=True)
class Chapter:
    """A run of the command, and what it brought: orders, emails and restarts that were not there before."""

    said: Said
    orders: list[dict[str, Any]]
    emails: list[EmailMessage]
    restarts: list[str]
    log: str

    @property
    def email(self) -> str:
        """The text of the only email."""
        (email,) = self.emails
        body = email.get_body(("plain",))
        assert body is not None
        return " ".join(body.get_content().split())


@dataclass(frozen=True, slots=True)
class Story:
    """The environment with the panel in it, and the certificates that it may have."""

    environment: Environment
    command: Command
    credentials: Credentials

    def begin(self, **credentials: Credential) -> dict[str, int]:
        """Begin anew: nothing is known of earlier, and services have these certificates, or good ones of the panel's.

        Return the serial number that each service serves.
        """
        self.environment.ask("behave")
        self.command.configure(self.environment, self.credentials.other)
        self.environment.panel.host.shell(_AGAIN)
        self.environment.panel.host.write(*layout.state(CONTACT))
        good = self.credentials.own(80)
        self.environment.panel.plant(**{service: credentials.get(service, good) for service in layout.SERVICES})
        return self.serials()

    def run(self, *options: str) -> Chapter:
        """Run the command, and return what it brought."""
        return self.after(lambda: self.command.run(*options))

    def after(self, act: Any) -> Chapter:  # noqa: ANN401 - anything that returns what a run said
        """Do something that runs the command, and return what it brought."""
        panel, environment = self.environment.panel, self.environment
        orders, emails, restarts = len(environment.orders()), len(environment.emails()), len(panel.restarts())
        said = act()
        panel.host.do("exim4", "-q")  # to its end: what was handed over has been delivered then
        return Chapter(
            said,
            environment.orders()[orders:],
            environment.emails()[emails:],
            panel.restarts()[restarts:],
            panel.host.read(daemons.LOG),
        )

    def serials(self) -> dict[str, int]:
        """Return the serial number that each service serves, which has to be one on all of its ports."""
        served = {service: list(serials) for service, serials in self.environment.panel.serials().items()}
        assert all(len(serials) == 1 and serials[0] for serials in served.values()), served
        return {service: serials[0] or 0 for service, serials in served.items()}

    def listing(self) -> str:
        """Return all files that a run could change, with times."""
        return self.environment.panel.host.shell(_LISTING)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Note all command lines of the host meanwhile."""
        with Talk(self.environment.panel.host, "tests.support.cpanel.cmdlines", CMDLINES):
            yield

    def killed_while_installing(self) -> None:
        """Begin a run and kill it while it installs certificates."""
        script = f'"$@" >/dev/null 2>&1 & until grep -q "^install" {CALLS}; do sleep 0.01; done; kill -KILL $!'
        self.environment.panel.host.do("sh", "-c", script, "sh", *ARGV)

    def queue(self) -> list[str]:
        """Return the numbers of the jobs in atd's queue."""
        return [line.split()[0] for line in self.environment.panel.host.do("atq").splitlines()]


@contextmanager
def running_story() -> Iterator[Story]:
    """Run the environment of the story, its panel fresh: every service signs its certificate itself."""
    with running_environment() as environment:
        credentials = Credentials(PANEL, environment.authority, other_authority(environment.authority))
        environment.panel.install(CONTACT, {service: credentials.self_signed() for service in layout.SERVICES})
        yield Story(environment, Command(environment.panel.host), credentials)
