"""Measures the whole audit on the cases of bench/paths.py, and compares it with `validate_path`.

    python -m bench.audited_paths FILE [COUNT]

A case of a server with a leaf key is served by a loopback TLS server, with the intermediates in the order that TLS
requires. A pytest run in this process audits it, with the trust store of the case and `--audit-now`. Cases of bettertls
have no key: their observations are built in memory, and every check is called with the facts of an endpoint, as the
plugin does. An audit accepts a case if none of the checks in `REFUSING` fails. Cases of public CAs are judged by the
policy `webpki`, with `cert.profile-br`.

Prints false accepts and false rejects, then each of them and each disagreement. COUNT limits the cases of each kind;
the same ones are used each time. Exits with status 1 if a limit is exceeded.
"""

from __future__ import annotations

import contextlib
import io
import json
import random
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Final

import pytest
from OpenSSL import SSL, crypto

from audit.endpoint import Endpoint, parse_endpoint
from audit.evaluation.evaluate import evaluate
from audit.evaluation.facts import Facts
from audit.evaluation.run import EvaluationRun
from audit.observation import DnsView, Handshake, Observation
from audit.policy import Policy, load_profile
from audit.verdict import Verdict
from audit.x509.algorithms import is_signed_by
from audit.x509.certificate import path_members, read_certificate
from audit.x509.path.trust_store import TrustAnchors
from bench.paths import CONTRADICTED, OF_WEB, Case, der_of, here, read_cases, time_of
from tests.repository.documents import checks

REFUSING: Final = (
    "cert.untrusted",
    "chain.*",
    "cert.name-mismatch",
    "cert.expired",
    "cert.not-yet-valid",
    "cert.malformed",
    "cert.eku-*",
    "cert.san-missing",
    "cert.weak-signature",
    "key.weak",
    "cert.revoked",
)
OF_SERVERS: Final = {
    "rfc5280::nc::permitted-dn-match": "the leaf has no name, and no reference name is given: cert.san-missing",
    "rfc5280::unknown-critical-extension-unrelated-intermediate": "an unrelated certificate is sent too: chain.order",
}
"""Valid paths for which the audit of a server has another finding."""
FALSE_ACCEPTS, FALSE_REJECTS = 3, 2  # of the cases with a key; bettertls has none
OF_BETTERTLS: Final = "bettertls::"
_SEED: Final = 10
_NAME: Final = "www.example.com"  # of a server in a case without a reference name
_ADDRESS: Final = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Audited:
    """How the audit of a case ended: the checks that fail, and whether `validate_path` accepts the case."""

    case: Case
    failing: tuple[str, ...]
    is_valid: bool  # without the depth limit of the case: an audit has no depth limit
    why: str  # why `validate_path` refuses it, or empty

    @property
    def accepted(self) -> bool:
        """Whether the audit accepts the case."""
        return not self.failing

    @property
    def disagrees(self) -> bool:
        """Whether audit and `validate_path` disagree about the path."""
        return self.accepted is not self.is_valid and self.case["id"] not in OF_SERVERS

    @property
    def miss(self) -> str:
        """`false accept`, `false reject`, or empty."""
        expected = self.case["expected_result"] == "SUCCESS"
        return "" if self.accepted is expected else "false accept" if self.accepted else "false reject"


def main(file: Path, count: int | None = None) -> int:
    """Audit the cases, print the results, and return the exit status."""
    counted = [case for case in read_cases(file) if case["id"] not in CONTRADICTED]
    in_memory = _chosen([case for case in counted if case["id"].startswith(OF_BETTERTLS)], count)
    of_servers = [case for case in counted if case["validation_kind"] == "SERVER" and case["peer_certificate_key"]]
    served = _chosen(of_servers, count)
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        of_bettertls = [_audited(case, _failing_in_memory(case)) for case in in_memory]
        native = [_audited(case, _failing_at_server(case, folder)) for case in served]
    for title, outcomes in (("bettertls", of_bettertls), ("others", native)):
        misses = [outcome.miss for outcome in outcomes]
        disagreeing = sum(outcome.disagrees for outcome in outcomes)
        print(
            f"{title:10}{len(outcomes):5} cases{misses.count('false accept'):4} false accepts"
            f"{misses.count('false reject'):4} false rejects{disagreeing:4} on which validate_path disagrees"
        )
    for outcome in (*of_bettertls, *native):
        if outcome.miss or outcome.disagrees:
            why = OF_SERVERS.get(outcome.case["id"], f"audit: {', '.join(outcome.failing)}; path: {outcome.why}")
            print(f"{outcome.miss or 'disagrees'}  {outcome.case['id']}  {why}")
    return int(_is_broken(of_bettertls, native))


def _is_broken(of_bettertls: list[Audited], native: list[Audited]) -> bool:
    misses = [outcome.miss for outcome in native]
    return (
        any(outcome.miss for outcome in of_bettertls)
        or misses.count("false accept") > FALSE_ACCEPTS
        or misses.count("false reject") > FALSE_REJECTS
        or any(outcome.disagrees for outcome in (*of_bettertls, *native))
    )


def _chosen(cases: list[Case], count: int | None) -> list[Case]:
    if count is None:
        return cases
    return random.Random(_SEED).sample(cases, min(count, len(cases)))  # noqa: S311 - the same ones each time


def _audited(case: Case, failing: tuple[str, ...]) -> Audited:
    is_valid, why = here(case, is_bounded=False)
    return Audited(case, failing, is_valid, why)


def _refuses(check: str, case: Case) -> bool:
    """Return whether a failing check means that the case is refused."""
    of_web = case["id"].startswith(OF_WEB) and check == "cert.profile-br"
    return of_web or any(fnmatch(check, pattern) for pattern in REFUSING)


def _endpoint(case: Case, port: int) -> Endpoint:
    return parse_endpoint(_url(case, port))


def _url(case: Case, port: int) -> str:
    """Return the URL of a server: the reference name of the case, else the first name of the leaf."""
    wanted = case["expected_peer_name"]
    leaf = read_certificate(der_of(case["peer_certificate"]))
    presented = leaf.dns_names if leaf.has_readable("dns_names") else None
    name = wanted["value"] if wanted else next(iter(presented if isinstance(presented, tuple) else ()), _NAME)
    if "@" in name:
        name = _NAME
    host = f"[{name}]" if ":" in name else name
    return f"https://{host}:{port}/?address={_ADDRESS}"


def _failing_in_memory(case: Case) -> tuple[str, ...]:
    """Return the checks that fail for an observation of the case and mean that it is refused."""
    chain = tuple(der_of(pem) for pem in (case["peer_certificate"], *case["untrusted_intermediates"]))
    endpoint, now = _endpoint(case, 443), time_of(case)
    handshake = Handshake(_ADDRESS, "TLSv1.3", "TLS_AES_128_GCM_SHA256", "x25519", None, chain, None, 0.01, ())
    dns = DnsView("ok", (_ADDRESS,))
    observation = Observation(endpoint, now, (_ADDRESS,), (handshake,), dns=dns)
    anchors = TrustAnchors({"case.pem": [der_of(pem) for pem in case["trusted_certs"]]})
    profiles = (load_profile("webpki"),) if case["id"].startswith(OF_WEB) else ()
    run = EvaluationRun(now, anchors, Policy(profiles, is_named=True) if profiles else None)
    refusing = [function for check, function in checks() if _refuses(check.id, case)]
    results = evaluate(refusing, Facts(observation, run), run)
    return tuple(result.check for result in results if result.verdict is Verdict.FAIL)


def _failing_at_server(case: Case, folder: Path) -> tuple[str, ...]:
    """Return the checks that fail when the case is served and audited, and mean that it is refused."""
    trust, results = folder / "trust.pem", folder / "results.jsonl"
    trust.write_text("".join(case["trusted_certs"]), encoding="utf-8")
    results.unlink(missing_ok=True)
    with serving(case) as port:
        arguments = [
            "--pyargs", "audit", "-q", "-p", "no:cacheprovider", f"--rootdir={folder}", "-c", str(_no_options(folder)),
            "--audit-endpoint", _url(case, port), "--audit-trust", str(trust),
            "--audit-now", time_of(case).isoformat(), "--audit-results", str(results),
            "--audit-state", str(folder / "state"),
        ]  # fmt: skip
        if case["id"].startswith(OF_WEB):
            arguments += ["--audit-policy", "webpki"]
        with contextlib.redirect_stdout(io.StringIO()) as output:
            status = pytest.main(arguments)
    if status not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        raise RuntimeError(f"{case['id']}: the audit did not run\n{output.getvalue()}")
    rows = [json.loads(line) for line in results.read_text(encoding="utf-8").splitlines()]
    failing = {row["check"] for row in rows if row.get("verdict") == "fail"}
    return tuple(sorted(check for check in failing if _refuses(check, case)))


def _no_options(folder: Path) -> Path:
    """Return an empty configuration of pytest, so that the configuration of the caller does not apply."""
    file = folder / "pytest.ini"
    file.write_text("[pytest]\n", encoding="utf-8")
    return file


@contextlib.contextmanager
def serving(case: Case) -> Iterator[int]:
    """Serve the leaf of a case with its intermediates at a port of the loopback while the block runs."""
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.set_cipher_list(b"ALL:@SECLEVEL=0")
    context.use_certificate(_loaded(case["peer_certificate"]))
    context.use_privatekey(crypto.load_privatekey(crypto.FILETYPE_PEM, case["peer_certificate_key"].encode()))
    for pem in _in_order(case):
        context.add_extra_chain_cert(_loaded(pem))
    with socket.create_server((_ADDRESS, 0), backlog=64) as listening:
        closing = threading.Event()
        thread = threading.Thread(target=_accept, args=(listening, context, closing), daemon=True)
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:
            closing.set()
            with contextlib.suppress(OSError), socket.create_connection(listening.getsockname(), 1):
                pass  # wakes the thread up
            thread.join()


def _in_order(case: Case) -> list[str]:
    """Return the intermediates in an order in which each certifies one before it, if possible."""
    left, ordered = list(case["untrusted_intermediates"]), [case["peer_certificate"]]
    for below in ordered:  # grows during the iteration
        issuers = [pem for pem in left if _is_issued_by(below, pem)]
        left = [pem for pem in left if pem not in issuers]
        ordered += issuers
    return [*ordered[1:], *left]


def _is_issued_by(below: str, above: str) -> bool:
    members = path_members(map(der_of, (below, above)))
    return len(members) == 2 and is_signed_by(*members, by_any_algorithm=True) is True


def _loaded(pem: str) -> crypto.X509:
    return crypto.load_certificate(crypto.FILETYPE_PEM, pem.encode())


def _accept(listening: socket.socket, context: SSL.Context, closing: threading.Event) -> None:
    while not closing.is_set():
        connected, _ = listening.accept()
        threading.Thread(target=_serve, args=(connected, context), daemon=True).start()


def _serve(connected: socket.socket, context: SSL.Context) -> None:
    with connected, contextlib.suppress(OSError, SSL.Error):
        tls = SSL.Connection(context, connected)
        tls.set_accept_state()
        tls.do_handshake()
        tls.recv(1)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else None))
