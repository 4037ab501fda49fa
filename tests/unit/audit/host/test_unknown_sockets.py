"""Tests of sockets of unknown services: how many are tried for TLS, and what is reported of the others."""

from __future__ import annotations

from audit.host.unknown_sockets import places_to_try, script_for_unknown_sockets, untried

FEW = tuple(("0.0.0.0", port, frozenset[int]()) for port in range(10_000, 10_064))
MANY = tuple(("0.0.0.0", port, frozenset[int]()) for port in range(10_000, 10_070))


def test_sockets_up_to_the_limit_are_all_tried() -> None:
    (line,) = script_for_unknown_sockets(places_to_try(FEW, ()))
    assert line.count("127.0.0.1:") == 64
    assert untried(FEW, ()) == ()


def test_sockets_beyond_the_limit_are_named() -> None:
    (message,) = untried(MANY, ())
    assert message.startswith(
        "70 sockets belong to no known service (limit 64): TLS was not tried at the ports 10064, 10065"
    )


def test_claimed_sockets_do_not_count() -> None:
    assert untried(MANY, [(address, port) for address, port, _ in MANY[:6]]) == ()
