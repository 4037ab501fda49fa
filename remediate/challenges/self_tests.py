"""The self-tests of challenge types (RFC 8555 8.3, 8.4): a table of one row each. A new one is a function and a row.

The solvers of this package share them, and those of other distributions may use them.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Final
from urllib.parse import quote

from audit.probe.deadline import Stopped
from audit.probe.dns.texts import ServerTexts
from audit.probe.http.request import bracketed
from audit.text import join_limited, one_line
from remediate.challenges.base import ProbeResult, ProbeSettings, Verdict
from remediate.challenges.http_probe import ExpectedFile, probe_file
from remediate.model.authorization import Challenge

_MOST_TEXT: Final = 100  # characters of a record that are shown
_MOST_DETAIL: Final = 400


def self_test(challenge: Challenge, addresses: Sequence[str], settings: ProbeSettings) -> tuple[ProbeResult, ...]:
    """Look where a CA looks for a challenge of this type; return no result for a type that is not in the table."""
    test = SELF_TESTS.get(challenge.type)
    return test(challenge, addresses, settings) if test else ()


def _http_01(challenge: Challenge, addresses: Sequence[str], settings: ProbeSettings) -> tuple[ProbeResult, ...]:
    """Request the file from each address of the name; after a stop, return the results so far."""
    path = f"/.well-known/acme-challenge/{quote(challenge.token, safe='')}"
    expected = ExpectedFile(bracketed(challenge.identifier), path, challenge.content.removesuffix("\n"), follows=True)
    results: list[ProbeResult] = []
    with suppress(Stopped):
        for address in addresses:
            results.append(probe_file(expected, address, settings))  # noqa: PERF401 - those before a stop are kept
    return tuple(results)


def _dns_01(challenge: Challenge, addresses: Sequence[str], settings: ProbeSettings) -> tuple[ProbeResult, ...]:
    """Look for the TXT record at each server of the zone; the addresses of the name do not matter."""
    del addresses
    record = f"_acme-challenge.{challenge.identifier.removeprefix('*.')}"
    return tuple(_at_server(record, challenge.content, found) for found in settings.texts(record))


def _at_server(record: str, content: str, found: ServerTexts) -> ProbeResult:
    verdict, detail = _judge_texts(content, found)
    server = f" @{found.address}" if found.address else ""
    where = f"{found.server} ({found.address})" if found.address else found.server
    command = f"dig{server} {shlex.quote(record)} TXT"
    return ProbeResult(record, where, verdict, one_line(detail, _MOST_DETAIL), command=command)


def _judge_texts(content: str, found: ServerTexts) -> tuple[Verdict, str]:
    if found.fault:
        return "unseen", found.fault
    if content in found.texts:
        return "good", "as written"
    if not found.texts:
        return "missing", "there is no TXT record"
    others = join_limited([ascii(text[:_MOST_TEXT]) for text in found.texts])
    return "altered", f"the TXT record is {others}; {content[:_MOST_TEXT]!a} is required"


SELF_TESTS: Final[Mapping[str, Callable[[Challenge, Sequence[str], ProbeSettings], tuple[ProbeResult, ...]]]] = {
    "dns-01": _dns_01,
    "http-01": _http_01,
}
"""The function that looks at a presented challenge, by its type."""
