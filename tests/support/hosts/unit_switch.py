"""A switch of files on a host with a real systemd, as a repair runs it."""

from __future__ import annotations

from collections.abc import Callable

from remediate.deployment.progress import Progress
from remediate.deployment.replace import REPLACE
from remediate.deployment.versions import FileSet, Version
from remediate.hosts.command import Command, CommandResult
from remediate.installers import INSTALLERS
from tests.support.hosts.host import Host, HostFile
from tests.support.hosts.openssl_client import wait_until
from tests.support.hosts.pki import Credential
from tests.support.remediate.fake_host.session import ask

_KEY = "/root/pending.pem"


def switched(
    host: Host,
    files: FileSet,
    new: Credential,
    service: str = "apache",
    *,
    execute: Callable[[Command], CommandResult] | None = None,
) -> Progress:
    """Return how a switch of a service to a new certificate ended; `execute` runs the command that starts it."""
    host.write(HostFile(_KEY, new.key, 0o600))
    version = Version(new.certificate, new.above, _KEY)
    staged = host.execute(REPLACE.stage(files, version))
    assert staged.ok, staged
    begun = (execute or host.execute)(
        REPLACE.activate(files, (INSTALLERS[service],), version.name, confirm_within_s=0),
    )
    assert begun.ok, begun
    assert wait_until(lambda: ask(REPLACE.status(files), host.execute).holder is None)
    return ask(REPLACE.status(files), host.execute)
