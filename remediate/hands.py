"""A session on a host that runs the commands of a repair, one at a time.

It knows how a command is framed and bounded; it refuses to know what it does. A private key that something prints is
cut out before it leaves the host.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import Protocol

from audit.observation import ProbeFailure
from audit.probe.collect import prologue
from audit.probe.login import Host, new_nonce
from remediate.action import Command, Done

# The whole answer goes through the filter, frames and all: of a key without an end nothing that follows is left, and so
# no frame. Descriptor 3 is not the command's: a daemon that it starts would hold the answer open.
_FRAMED = r"""
{
  printf "\n@NONCE@ begin output\n"
  error=$("$@" 2>&1 >&3 3>&-); status=$?
  printf "\n@NONCE@ end %s\n" "$status"
  printf "\n@NONCE@ begin error\n%s\n@NONCE@ end 0\n" "$error"
} 3>&1 | clean
"""


class Hands(Protocol):
    """Who runs commands on one host."""

    def run(self, command: Command) -> Done:
        """Run a command to its end or its deadline; a host that cannot be reached is a command that was cut off."""


@dataclass(frozen=True, slots=True)
class HostHands:
    """Hands on a host that is logged into."""

    host: Host

    def run(self, command: Command) -> Done:
        """Run a command to its end or its deadline; what it printed is read only where the answer is whole."""
        nonce = new_nonce()
        words = shlex.join(("set", "--", "sh", "-c", command.script, "sh", *command.arguments))
        script = f"{prologue(nonce)}{words}\n{_FRAMED.replace('@NONCE@', nonce)}"
        usual_s, self.host.timeout_s = self.host.timeout_s, command.timeout_s
        try:
            answer = self.host.run(script, nonce)
        finally:
            self.host.timeout_s = usual_s
        if isinstance(answer, ProbeFailure):
            return Done(None, "", answer.detail)
        output, error = answer.get("output"), answer.get("error")
        if output is None or error is None or output.rc is None:
            return Done(None, "", "the answer was not whole")
        return Done(output.rc, output.text, error.text)
