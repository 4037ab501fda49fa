"""The list of certificate transparency logs, in version 3 of Chrome's format."""

from __future__ import annotations

import base64
import hashlib
import json

import pytest

from audit.x509.transparency.log_list import BadLogList, read_log_list
from audit.x509.transparency.sct import SctOrigin, read_scts
from tests.support.x509.certificates import DAY, NOW
from tests.support.x509.ct_logs import (
    ARGON,
    EVERY,
    LISTED,
    NESSIE,
    RSA_LOG,
    TILED,
    changed,
    list_json,
    listed,
    log_list,
    of_certificate,
)

FIRST = ("operators", 0, "logs", 0)


def test_list_has_every_log_with_its_operator_and_state() -> None:
    content = list_json(*EVERY, RSA_LOG)
    logs = read_log_list(content)
    assert {log.description: (log.operator, log.state) for log in logs.logs.values()} == {
        "argon": ("Operator A", "usable"),
        "xenon": ("Operator A", "usable"),
        "nessie": ("Operator B", "usable"),
        "tiled": ("Operator C", "usable"),
        "rsa": ("Operator D", "usable"),
    }
    assert (logs.version, logs.issued, logs.sha256) == ("71.4", LISTED, hashlib.sha256(content).hexdigest())
    assert str(logs).startswith("log list 71.4 of 2026-11-22 (SHA-256 ")


def test_keys_that_later_lists_may_add_are_ignored() -> None:
    content = list_json(ARGON.but(further={"log_type": "prod", "temporal_interval": {}}), is_all_logs=False)
    assert read_log_list(content).logs.keys() == {ARGON.log_id}


def test_log_without_a_state_is_not_accepted_yet() -> None:
    logs = read_log_list(changed(list_json(ARGON), (*FIRST, "state"), None)).logs
    assert logs[ARGON.log_id].state == "pending"


def test_operator_is_the_one_at_the_time_of_the_sct() -> None:
    moved = NESSIE.but(previous=(("Second", NOW - 50 * DAY), ("First", NOW - 100 * DAY)))
    log = log_list(moved).logs[moved.log_id]
    scts = (moved.sct(of_certificate(b""), NOW - age * DAY) for age in (101, 100, 50))
    read = read_scts(listed(*scts), SctOrigin.TLS).scts
    assert [log.operator_of(sct) for sct in read] == ["First", "Second", "Operator B"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"not JSON", "it is not JSON"),
        (b"[" * 100_000, "it is not JSON"),
        (b"[]", "the list: it is not an object"),
        (b"{}", "the list: it has no 'version'"),
        (list_json(issued=LISTED, operators=[]), "it has no log; a list in version 3 of Chrome's format has operators"),
        (changed(list_json(), ("log_list_timestamp",), "today"), "the list: log_list_timestamp: 'today' is not an RFC"),
        (changed(list_json(), ("log_list_timestamp",), "0001-01-01T00:00:00+14:00"), "log_list_timestamp: '0001"),
        (changed(list_json(), ("operators", 1, "name"), None), "operators, number 2: it has no 'name'"),
        (changed(list_json(), ("operators", 0), {"name": "A", "id": 1}), "operators, number 1 (A): the key 'logs'"),
        (changed(list_json(), ("operators", 0, "logs"), {}), "number 1 (Operator A), logs: it is not a list"),
        (changed(list_json(), (*FIRST, "key"), None), "number 1 (Operator A), logs, number 1: it has no 'key'"),
        (changed(list_json(), (*FIRST, "key"), "AAAA"), "logs, number 1: log_id is not the SHA-256 of its key"),
        (changed(list_json(), (*FIRST, "key"), "§"), "logs, number 1: key: "),
        (changed(list_json(), (*FIRST, "state"), {"closed": {}}), "logs, number 1: state is closed; one of pending, "),
        (changed(list_json(), (*FIRST, "state"), {"usable": {}}), "logs, number 1, state: it has no 'timestamp'"),
        (changed(list_json(TILED), ("operators", 0, "tiled_logs", 0, "log_id"), "AA=="), "tiled_logs, number 1: log"),
        (list_json(ARGON, ARGON.but(operator="Operator B")), "two logs have one log_id"),
    ],
)  # fmt: skip
def test_unusable_list_is_refused_with_place_and_fault(content: bytes, message: str) -> None:
    with pytest.raises(BadLogList) as refused:
        read_log_list(content)
    assert message in str(refused.value)


def test_key_that_no_log_can_have_is_refused() -> None:
    ed25519 = bytes.fromhex("302a300506032b6570032100") + bytes(32)
    entry = json.loads(list_json(ARGON))
    entry["operators"][0]["logs"][0] |= {
        "key": "MCowBQYDK2VwAyEA" + "A" * 43 + "=",
        "log_id": base64.b64encode(hashlib.sha256(ed25519).digest()).decode(),
    }
    with pytest.raises(BadLogList, match="number 1: its key is neither an EC nor an RSA key"):
        read_log_list(json.dumps(entry).encode())
