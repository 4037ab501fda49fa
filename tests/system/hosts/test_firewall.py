"""Verdicts on firewall rules, compared with the kernel: real rules, real connections on loopback."""

from __future__ import annotations

import os
import random
import socket
import subprocess
from collections.abc import Iterator
from typing import Final

import pytest

from audit.firewall.evaluate import judge_packet, packet
from audit.firewall.iptables import read_iptables
from audit.firewall.nftables import read_nftables
from audit.observation.firewall import Firewall, RuleChain
from tests.support.hosts.overlay import layer_of
from tests.support.own_network import own_network
from tests.system.conftest import overlays

__all__ = ["overlays", "own_network"]
pytestmark = [pytest.mark.system, pytest.mark.usefixtures("overlays")]

SOURCES: Final = ("127.0.0.2", "127.0.0.9", "127.0.3.3", "127.200.0.1")
HERE: Final = "127.0.0.1"
ADDRESSED: Final = (
    "ip saddr 127.0.0.2", "ip saddr != 127.0.0.0/24", "ip saddr { 127.0.0.9, 127.0.2.0-127.0.4.0 }", "ip saddr @listed",
    "ip saddr != @listed", "ip daddr 127.0.0.1", "ip daddr != 127.0.0.1", "",
)  # fmt: skip
ASKED: Final = (
    "tcp dport { 22, 80 }", "tcp dport != 80", "tcp dport 1-100", "tcp dport < 80", "udp dport 80", "ct state new",
    "ct state != new", "meta l4proto { tcp, udp }", "ip protocol icmp", "limit rate over 100/second",
    "tcp flags & (fin | syn | rst | ack) == syn", "limit rate 100/second", "ct status dnat", "",
)  # fmt: skip
IPTABLES: Final = (
    "-s 127.0.0.2/32", "! -s 127.0.0.0/24", "-m iprange --src-range 127.0.0.9-127.0.3.3", "-p tcp --dport 80",
    "-p tcp -m multiport --dports 22,70:90", "-p tcp ! --dport 80", "-p udp --dport 80", "-p icmp", "! -p udp",
    "-m conntrack --ctstate NEW", "-p tcp --syn", "-p tcp ! --syn", "-p tcp --tcp-flags FIN,SYN,RST,ACK SYN",
    "-d 127.0.0.1/32", "! -d 127.0.0.1/32", "-m limit --limit 50/sec", "-m addrtype --dst-type LOCAL",
)  # fmt: skip


def run(*words: str, text: str = "") -> str:
    """Run a program of the overlay in the network of the test."""
    upper = layer_of("main").upper
    libraries = next(upper.glob("usr/lib/*-linux-gnu/libnftables.so*")).parent
    environment = {**os.environ, "LD_LIBRARY_PATH": str(libraries), "XTABLES_LIBDIR": str(libraries / "xtables")}
    program = str(upper / "usr/sbin" / words[0])
    done = subprocess.run(
        [program, *words[1:]], input=text, capture_output=True, text=True, check=False, env=environment
    )
    assert done.returncode == 0, (done.stderr, text)
    return done.stdout


@pytest.fixture
def listening(own_network: None) -> Iterator[None]:  # noqa: ARG001 - not in the network of the test run
    """Listen on the port that a CA connects to; no connection is accepted, so the queue has to hold all."""
    with socket.create_server(("0.0.0.0", 80), backlog=4000):
        yield


def gets_through(source: str) -> bool:
    """Try a connection; one without a verdict at once is refused."""
    with socket.socket() as connection:
        connection.settimeout(0.1)
        connection.bind((source, 0))
        return connection.connect_ex((HERE, 80)) == 0


def compared(chains: tuple[RuleChain, ...], rules: str) -> int:
    """Compare the verdict with the connection, for each source; return how many verdicts were conclusive."""
    reported = 0
    for source in SOURCES:
        found = judge_packet(Firewall(chains), packet(source, 80, [HERE]))
        if found.verdict != "unknown":
            reported += 1
            assert (found.verdict == "accepted") is gets_through(source), (source, found, rules)
    return reported


def nftables(dice: random.Random) -> str:
    """Return a table of chance."""
    end = ("accept", "reject", "drop", "return", "counter")

    def rules(*further: str) -> str:
        lines = [
            " ".join((dice.choice(ADDRESSED), dice.choice(ASKED), dice.choice((*end, *further))))
            for _ in range(dice.randint(1, 4))
        ]
        return "\n".join([*lines, ""])

    vmap = f"tcp dport vmap {{ 22 : drop, 80 : {dice.choice(('jump one', 'accept', 'continue'))} }}"
    return f"""table inet t {{
      set listed {{ type ipv4_addr; flags interval; elements = {{ 127.0.0.2, 127.200.0.0/16 }} }}
      chain two {{ {rules()} }}
      chain one {{ {rules("jump two", "goto two")} }}
      chain late {{ type filter hook input priority 5; ct state established,related accept; {rules("jump two")} }}
      chain in {{ type filter hook input priority 0; policy {dice.choice(("accept", "drop"))}
        ct state vmap {{ established : accept, related : accept, invalid : drop }}
        {vmap if dice.random() < 0.3 else ""}
        {rules("jump one", "goto one")}
      }}
    }}
    """


def iptables(dice: random.Random) -> str:
    """Return tables of chance."""
    end = ("ACCEPT", "DROP", "REJECT", "RETURN", "LOG")

    def rules(chain: str, further: tuple[str, ...]) -> list[str]:
        return [
            f"-A {chain} {_matching(dice)} {dice.choice((*(f'-j {one}' for one in end), *further))}"
            for _ in range(dice.randint(1, 4))
        ]

    lines = [
        "*filter", f":INPUT {dice.choice(('ACCEPT', 'DROP'))} [0:0]", ":one - [0:0]", ":two - [0:0]",
        "-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
        *rules("INPUT", ("-j one", "-g one")), *rules("one", ("-j two", "-g two")), *rules("two", ()), "COMMIT", "",
    ]  # fmt: skip
    return "\n".join(lines)


def _matching(dice: random.Random) -> str:
    chosen = dice.sample(IPTABLES, dice.randint(0, 2))
    options = [word for one in chosen for word in one.split() if word.startswith("-") and word != "-m"]
    return " ".join(chosen if len(options) == len(set(options)) else chosen[:1])


@pytest.mark.usefixtures("listening")
def test_verdict_on_nftables_agrees_with_the_kernel() -> None:
    dice, reported = random.Random(6), 0  # noqa: S311 - rules of a test
    for _ in range(25):
        text = nftables(dice)
        run("nft", "-f", "-", text=f"flush ruleset\n{text}")
        reported += compared(read_nftables(run("nft", "-j", "list", "ruleset")), text)
    assert reported > 80


@pytest.mark.usefixtures("listening")
def test_verdict_on_iptables_agrees_with_the_kernel() -> None:
    dice, reported = random.Random(8), 0  # noqa: S311 - rules of a test
    for _ in range(25):
        text = iptables(dice)
        run("iptables-nft-restore", text=text)
        reported += compared(read_iptables(run("iptables-nft-save"), 4), text)
    assert reported > 80
