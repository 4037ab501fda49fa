"""How the auditing host logs into the others: a real sshd, a throw-away key, accounts with different rights.

Every session is in the host's `/var/log/sshd.log`, where a test can count them.
"""

from __future__ import annotations

from typing import Final

from tests.support.hosts.host import Host, HostFile

# The key exchange that OpenSSH prefers, against computers to come, costs a login ten times the CPU time of this one.
_SSHD: Final = """Port 22
HostKey /etc/ssh/ssh_host_ed25519_key
AuthorizedKeysFile /etc/ssh/keys
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
PermitRootLogin prohibit-password
LogLevel VERBOSE
UseDNS no
MaxStartups 100
KexAlgorithms curve25519-sha256
"""
# An account without a password is not a locked one: `!` in its place would be.
_ACCOUNTS: Final = """
for user in plain sudoer asked; do
    useradd --create-home --shell /bin/sh "$user"
    usermod --password '*' "$user"
done
"""
_SUDOERS: Final = """sudoer ALL=(ALL) NOPASSWD: ALL
asked ALL=(ALL) ALL
"""
CLIENT: Final = """Host *
  IdentityFile /root/.ssh/id
  IdentitiesOnly yes
  StrictHostKeyChecking yes
  UserKnownHostsFile /root/.ssh/known_hosts
"""
LOG: Final = "/var/log/sshd.log"


def make_key(auditor: Host) -> str:
    """Make the auditing host's key and client configuration; return the public key."""
    auditor.shell("mkdir -m 700 /root/.ssh; ssh-keygen -q -t ed25519 -N '' -f /root/.ssh/id")
    auditor.write(HostFile("/root/.ssh/config", CLIENT), HostFile("/root/.ssh/known_hosts", ""))
    return auditor.read("/root/.ssh/id.pub")


def admit(host: Host, public_key: str, *options: str) -> None:
    """Let that key log into a host as root and as accounts with less: `plain`, `sudoer`, `asked` (for a password).

    Options of sshd have precedence over those of the lab.
    """
    host.write(
        HostFile("/etc/ssh/sshd_config", _SSHD),
        HostFile("/etc/ssh/keys", public_key),
        HostFile("/etc/sudoers.d/lab", _SUDOERS, 0o440),
    )
    given = " ".join(f"-o {option}" for option in options)
    host.shell(f"{_ACCOUNTS} mkdir -p /run/sshd; /usr/sbin/sshd -E {LOG} {given}")
    host.wait_for(22)


def know(auditor: Host, *hosts: Host) -> None:
    """Write the host keys of hosts into the auditing host's `known_hosts`."""
    lines = [f"{host.name} {host.read('/etc/ssh/ssh_host_ed25519_key.pub')}" for host in hosts]
    auditor.write(HostFile("/root/.ssh/known_hosts", "".join(lines)))


def sessions(host: Host) -> int:
    """Return how many commands have been run over ssh on a host."""
    return host.read(LOG).count("Starting session: command")
