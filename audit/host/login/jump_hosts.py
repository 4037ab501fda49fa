"""The jump host that a login goes through, which a run logs into once for all hosts behind it.

A login is unauthenticated for an sshd until it has authenticated there. The logins to hosts behind an open connection
are not those of the jump host, so a host that hangs holds up no other one behind it.
"""

from __future__ import annotations

import hashlib
import json
import shlex
from dataclasses import dataclass
from typing import Final

from audit.host.login.private_sockets import NAME_LENGTH
from audit.host.login.ssh_configuration import SshConfiguration, jump_uri

_OPTIONS: Final = "-T -o ClearAllForwardings=yes -o BatchMode=yes -o ConnectTimeout=10"
_KEPT_ALIVE: Final = "-o ServerAliveInterval=10 -o ServerAliveCountMax=3"  # else all hosts behind a dead one would hang


@dataclass(frozen=True, slots=True)
class JumpHost:
    """The last jump host of a route, those before it in their order, and the user's file of ssh's configuration."""

    destination: str
    before: tuple[str, ...] = ()
    ssh_config: str | None = None

    @classmethod
    def of(cls, configuration: SshConfiguration, ssh_config: str | None) -> JumpHost | None:
        """Return the last jump host of a host; None if it has none, or one whose name depends on the host."""
        *before, last = configuration.jumps or ("",)
        if not last or any("%" in jump for jump in configuration.jumps):
            return None
        return cls(jump_uri(last), tuple(before), ssh_config)

    @property
    def socket_name(self) -> str:
        """The name of the control socket, which differs if anything differs by which ssh selects the jump host."""
        words = ["jump", self.destination, *self.before, self.ssh_config or ""]
        return hashlib.sha256(json.dumps(words).encode()).hexdigest()[:NAME_LENGTH]

    @property
    def login(self) -> str:
        """The options of ssh with the jump host, quoted for a shell."""
        return f"{_KEPT_ALIVE} {self._words}"

    @property
    def _words(self) -> str:
        file = ("-F", self.ssh_config) if self.ssh_config else ()
        before = ("-J", ",".join(self.before)) if self.before else ()
        return f"{_OPTIONS} {shlex.join((*file, *before, '--', self.destination))}"

    def option(self, path: str) -> str:
        """Return the option by which ssh reaches a host through the connection of a control socket.

        If the connection has ended, that logs into the jump host as ssh itself would.
        """
        shared = f"-o ControlMaster=no {path_option(path)} {self._words}".replace("%", "%%")
        command = f"ssh -W '[%h]:%p' {shared}"
        return f"-o ProxyCommand={shlex.quote(command)}"


def path_option(path: str) -> str:
    """Return the option of ssh that names a control socket."""
    return f"-o ControlPath={shlex.quote(path.replace('%', '%%'))}"
