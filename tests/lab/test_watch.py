"""The watcher sees what should not be: a service that does not answer, and a certificate worse than before."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from tests.lab.authorities import Authorities, found_authorities
from tests.lab.certificates import CONTENTS, RECIPES
from tests.lab.faults import LOCAL, Planted, Scheme
from tests.lab.leaves import Served
from tests.lab.quality import verifying
from tests.lab.servers import listening, make_context
from tests.lab.watch import Watch, Watched, watching
from tests.support.sockets import bind
from tests.support.x509.ca import new_key

NAME = "watched.lab.test"
SOUND = {"good", "good-rsa", "short-lived", "wildcard", "both-keys", "rsa-expired-beside"}
WITH_OTHER_NAMES = {"other-name", "shared"}


@pytest.fixture(scope="module")
def authorities() -> Authorities:
    return found_authorities(datetime.now(UTC).replace(microsecond=0), "http://127.0.0.1")


@pytest.fixture
def trust(tmp_path: Path, authorities: Authorities) -> Path:
    file = tmp_path / "root.pem"
    file.write_bytes(authorities.root.certificate.public_bytes(Encoding.PEM))
    return file


def noted(file: Path) -> list[str]:
    return [json.loads(line)["what"] for line in file.read_text().splitlines()]


def seen(trust: Path, chains: Sequence[Served], scheme: Scheme = "https") -> list[str]:
    """Return what is noted of a service that serves one after another, each seen once."""
    contexts = [make_context(served, "modern") for served in chains]
    watch = Watch(trust.with_name("downtime.jsonl"), verifying(str(trust)))

    async def look() -> None:
        (bound,) = bind((LOCAL,))
        watched = Watched("id", scheme, NAME, LOCAL, bound.getsockname()[1])
        left = list(contexts)
        async with listening(Planted("watched", scheme), bound, lambda: left[0]):
            while left:
                await watch.look(watched)
                left.pop(0)

    asyncio.run(look())
    return noted(watch.file)


@pytest.mark.parametrize("fault", sorted(set(RECIPES) - SOUND - WITH_OTHER_NAMES - {"hundred"}))
def test_repair_is_not_recorded_and_its_reversal_is(authorities: Authorities, trust: Path, fault: str) -> None:
    bad = RECIPES[fault](authorities, NAME)
    good = CONTENTS["renewed"](authorities, NAME, bad)
    (line,) = seen(trust, [bad, good, good, bad])
    assert line.startswith("a worse certificate than before: ")


@pytest.mark.parametrize(
    ("fault", "clause"),
    [
        ("expired", "it has expired"),
        ("leaf-only", "its issuer is not known"),
        ("other-name", f"it is not for {NAME}"),
        ("rsa-1024", "its key is too weak"),
        ("sha1", "its signature is too weak"),
        ("duplicated", "its chain is in disorder"),
        ("intermediate-ends", "its chain ends before it"),
        ("expiring", "it is the one that was replaced"),
    ],
)
def test_worse_certificate_is_recorded_with_the_difference(
    authorities: Authorities, trust: Path, fault: str, clause: str
) -> None:
    (line,) = seen(trust, [RECIPES["good"](authorities, NAME), RECIPES[fault](authorities, NAME)])
    assert clause in line


def test_lost_name_is_recorded(authorities: Authorities, trust: Path) -> None:
    shared, alone = RECIPES["shared"](authorities, NAME), RECIPES["good"](authorities, NAME)
    (line,) = seen(trust, [shared, alone])
    assert line.endswith(f"it is not for mail-{NAME}, mx-{NAME} any more")


def test_every_observation_of_a_worse_certificate_is_recorded(authorities: Authorities, trust: Path) -> None:
    good, bad = RECIPES["good"](authorities, NAME), RECIPES["expired"](authorities, NAME)
    assert len(seen(trust, [good, bad, bad, good, bad])) == 3


def test_mismatched_key_is_recorded_as_a_failed_handshake(authorities: Authorities, trust: Path) -> None:
    good = RECIPES["good"](authorities, NAME)
    (line,) = seen(trust, [good, replace(good, key=new_key()), good])
    assert line.startswith("no answer: ")


@pytest.mark.parametrize("scheme", ["smtp", "imap", "pop3", "ftp", "tls", "imaps"])
def test_watch_connects_with_every_scheme(authorities: Authorities, trust: Path, scheme: Scheme) -> None:
    assert seen(trust, [RECIPES["good"](authorities, NAME)] * 2, scheme) == []


async def looked_on(watch: Watch, times: int) -> None:
    """Wait until a service was looked at so many times more."""
    end = watch.looks + times
    async with asyncio.timeout(60):
        while watch.looks < end:  # noqa: ASYNC110 - the watch counts and sends no event
            await asyncio.sleep(0.05)


def test_stopped_service_is_recorded_until_it_returns(authorities: Authorities, trust: Path) -> None:
    context = make_context(RECIPES["good"](authorities, NAME), "modern")
    file = trust.with_name("downtime.jsonl")
    row = Planted("watched", "https")

    async def go_away_and_come_back() -> int:
        (bound,) = bind((LOCAL,))
        port = bound.getsockname()[1]
        async with contextlib.AsyncExitStack() as stack:
            async with listening(row, bound, lambda: context):
                watch = await stack.enter_async_context(
                    watching([Watched("id", "https", NAME, LOCAL, port)], file, trust)
                )
                await looked_on(watch, 2)
                assert noted(file) == []
            await looked_on(watch, 3)
            assert len(noted(file)) > 1
            again = socket.socket()
            again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            again.bind((LOCAL, port))
            await stack.enter_async_context(listening(row, again, lambda: context))
            await looked_on(watch, 1)  # it may have begun before
            gone = len(noted(file))
            await looked_on(watch, 2)
            return gone

    gone = asyncio.run(go_away_and_come_back())
    assert [line.partition(":")[0] for line in noted(file)] == ["no answer"] * gone
