"""TLSA and MX records by a resolver and real name servers: what is there, what is not, and what cannot be seen."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any, Final

import pytest

from tests.support.hosts.host import Host
from tests.support.hosts.name_servers import running_tree

pytestmark = [pytest.mark.system, pytest.mark.usefixtures("overlays")]

_ASK: Final = """
import dataclasses, json, sys, threading
from audit.probe import Limits
from remediate.challenges.dns_lookup import LookUps

lookups, limits = LookUps(), Limits()
found = [lookups.records(name, kind, limits, threading.Event()) for name, kind in zip(sys.argv[1::2], sys.argv[2::2])]
json.dump([lookups.has_dns(limits), *map(dataclasses.asdict, found)], sys.stdout)
"""


@pytest.fixture(scope="module")
def client(overlays: None) -> Iterator[Host]:  # noqa: ARG001 - asked for to skip or fail before anything starts
    with running_tree() as host:
        yield host


def ask(client: Host, *questions: str) -> list[dict[str, Any]]:
    """Return the answers to names and types in turn."""
    has_dns, *found = json.loads(client.do(sys.executable, "-c", _ASK, *questions))
    assert has_dns
    return list(found)


def test_absent_tlsa_records_are_distinguished_from_a_failed_lookup(client: Host) -> None:
    there, missing, unnamed, broken, mail, alias = ask(
        client,
        *("_443._tcp.host.example.test", "TLSA"),
        *("_8443._tcp.host.example.test", "TLSA"),
        *("host.example.test", "TLSA"),
        *("_443._tcp.host.lame.test", "TLSA"),
        *("mail.example.test", "MX"),
        *("www.example.test", "CNAME"),
    )
    assert (there["status"], there["records"]) == ("ok", [f"3 1 1 {'ab' * 32}"])
    assert 0 < there["ttl_s"] <= 60
    assert (missing["status"], unnamed["status"], broken["status"]) == ("none", "none", "servfail")
    assert mail["records"] == ["10 mx.example.test.", "20 mx.other.test."]
    assert alias["records"] == ["host.example.test."]


def test_tlsa_is_inconclusive_if_no_server_responds(client: Host) -> None:
    (silent,) = ask(client, "_443._tcp.host.silent.test", "TLSA")
    assert silent["status"] in ("servfail", "timeout")


def test_dns_is_unavailable_without_a_resolver(client: Host) -> None:
    kept = client.read("/etc/resolv.conf")
    client.do("cp", "/dev/null", "/etc/resolv.conf")
    try:
        answer = json.loads(client.do(sys.executable, "-c", _ASK, "host.example.test", "TLSA"))
    finally:
        client.do("sh", "-c", 'printf "%s" "$1" >/etc/resolv.conf', "sh", kept)
    assert (answer[0], answer[1]["status"]) == (False, "timeout")
