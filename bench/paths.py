"""Measures path validation on cases of other projects, beside the validator of the library.

    python -m bench.paths FILE

FILE is a JSON file of cases in the format of C2SP/x509-limbo, compressed with xz or not. Prints false accepts, false
rejects and the CPU time of the slowest case, for this validator and for the library's; then each miss. Cases that
contradict a `webpki::` twin do not count. Exits with status 1 if a case took more than a second.
"""

from __future__ import annotations

import ipaddress
import json
import lzma
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, Store

from audit.x509.path.served_chain import validate_path
from audit.x509.pem import certificates_in

SLOWEST_S: Final = 1.0
OF_WEB: Final = ("webpki::", "online::")  # the rules for public CAs apply as well
CONTRADICTED: Final = (
    "rfc5280::ca-as-leaf",
    "rfc5280::eku::ee-without-eku",
    "rfc5280::nc::permitted-dns-match-noncritical",
    "pathlen::validation-ignores-pathlen-in-leaf",
)

Case = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a case."""

    case: Case
    accepted: bool
    why: str
    seconds: float

    @property
    def miss(self) -> str:
        """`false accept`, `false reject`, or empty."""
        expected = self.case["expected_result"] == "SUCCESS"
        return "" if self.accepted is expected else "false accept" if self.accepted else "false reject"


def main(file: Path) -> int:
    """Run every case with both validators, print the tables, and return the exit status."""
    counted = [case for case in read_cases(file) if case["id"] not in CONTRADICTED]
    runs = {name: [_run(judge, case) for case in counted] for name, judge in (("here", here), ("library", _library))}
    for title, chosen in (("bettertls", True), ("others", False)):
        for name, outcomes in runs.items():
            _print_row(
                title, name, [outcome for outcome in outcomes if outcome.case["id"].startswith("bettertls") is chosen]
            )
    for outcome in runs["here"]:
        if outcome.miss:
            print(f"{outcome.miss}  {outcome.case['id']}  {outcome.why}")
    return int(any(outcome.seconds > SLOWEST_S for outcome in runs["here"]))


def read_cases(file: Path) -> list[Case]:
    """Return the cases in a file."""
    content = file.read_bytes()
    cases: list[Case] = json.loads(lzma.decompress(content) if file.suffix == ".xz" else content)["testcases"]
    return cases


def _print_row(title: str, name: str, outcomes: list[Outcome]) -> None:
    misses = [outcome.miss for outcome in outcomes]
    slowest = max(outcomes, key=lambda outcome: outcome.seconds, default=None)
    print(
        f"{title:10}{name:8}{len(outcomes):5} cases{misses.count('false accept'):4} false accepts"
        f"{misses.count('false reject'):4} false rejects"
        + (f"   slowest {1000 * slowest.seconds:.0f} ms {slowest.case['id']}" if slowest else "")
    )


def _run(judge: Callable[[Case], tuple[bool, str]], case: Case) -> Outcome:
    start = time.thread_time()  # CPU time: a busy machine would add to the time of the clock
    accepted, why = judge(case)
    return Outcome(case, accepted, why, time.thread_time() - start)


def here(case: Case, *, is_bounded: bool = True) -> tuple[bool, str]:
    """Return whether `validate_path` accepts a case, with or without its depth limit, and why not."""
    name = case["expected_peer_name"] or next(iter(case["expected_peer_names"]), None)
    validation = validate_path(
        der_of(case["peer_certificate"]),
        [der_of(pem) for pem in case["untrusted_intermediates"]],
        [der_of(pem) for pem in case["trusted_certs"]],
        reference=name["value"] if name else None,
        at=time_of(case),
        profile="webpki" if case["id"].startswith(OF_WEB) else "rfc5280",
        purpose="clientAuth" if case["validation_kind"] == "CLIENT" else "serverAuth",
        max_depth=case["max_chain_depth"] if is_bounded else None,
        crls=[der_of(pem.replace("X509 CRL", "CERTIFICATE")) for pem in case["crls"]],
    )
    return validation.ok, "; ".join(map(str, validation.violations))


def _library(case: Case) -> tuple[bool, str]:
    name = case["expected_peer_name"]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            builder = PolicyBuilder().store(Store([_load(pem) for pem in case["trusted_certs"]])).time(time_of(case))
            if case["max_chain_depth"] is not None:
                builder = builder.max_chain_depth(case["max_chain_depth"])
            leaf = _load(case["peer_certificate"])
            pool = [_load(pem) for pem in case["untrusted_intermediates"]]
            if case["validation_kind"] == "CLIENT" or not name:
                builder.build_client_verifier().verify(leaf, pool)
            else:
                address = name["kind"] == "IP"
                subject = (
                    x509.IPAddress(ipaddress.ip_address(name["value"])) if address else x509.DNSName(name["value"])
                )
                builder.build_server_verifier(subject).verify(leaf, pool)
    except Exception as error:  # noqa: BLE001 - any exception means that it does not accept
        return False, str(error)
    return True, ""


def time_of(case: Case) -> datetime:
    """Return the time of a case, aware; now if it has none."""
    return datetime.fromisoformat(case["validation_time"]) if case["validation_time"] else datetime.now(UTC)


def der_of(pem: str) -> bytes:
    """Return the first certificate in a text."""
    return certificates_in(pem)[0]


def _load(pem: str) -> x509.Certificate:
    return x509.load_der_x509_certificate(der_of(pem))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
