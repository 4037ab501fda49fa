"""Writes the results file, and the user properties that carry a result through xdist and into JUnit reports.

Lines are written when their results are reported, so that a run that is killed leaves them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Final

import pytest

from audit.config.line_files import LineWriter, open_lines
from audit.evaluation.facts import Facts
from audit.evaluation.result import Phase, Result, from_row, to_row
from audit.json_codec import format_time
from audit.observation import UNKNOWN, InstalledFile, Observation
from audit.verdict import Verdict
from audit.x509.certificate import Certificate, read_certificate
from audit.x509.loading import UnreadableField
from audit.x509.revocation.status import crl_urls, ocsp_urls

ROW: Final = "sslaudit"
"""The user property with a result as JSON, without node id and duration, which the report has."""
FINAL: Final = ("passed", "failed", "skipped")
"""The outcomes of pytest. A plugin that repeats a test gives the report of an earlier attempt another one."""
FIRST: Final = "before"
"""The user property with the finding before a repair, in a line."""
FIRST_VERDICT: Final = "before_verdict"
"""The user property with the verdict before a repair."""
BESIDE: Final = ("endpoint", "check", "verdict", "severity", "message", "remedy", "policy", "source")
"""The further user properties of a result that did not pass, for readers of JUnit reports. Passes have none: pytest
keeps all properties in memory to the end of the run."""


def as_properties(result: Result, before: Result | None = None) -> list[tuple[str, object]]:
    """Return a result as user properties: as JSON and, if it did not pass, its main fields by name.

    `before` is the result before a repair.
    """
    row = to_row(result)
    del row["nodeid"], row["duration_s"]
    names = () if result.verdict in (Verdict.PASS, Verdict.NOT_APPLICABLE) else BESIDE
    first = [(FIRST, _in_a_line(before)), (FIRST_VERDICT, before.verdict.value)] if before else []
    return [(ROW, _json(row)), *first, *(_shared(name, row[name]) for name in names)]


def without_row_of_pass(properties: Iterable[tuple[str, object]]) -> list[tuple[str, object]]:
    """Return the user properties for a JUnit report, which holds for a pass no more than the name of its test."""
    given = list(properties)
    is_well = not any(name == BESIDE[0] for name, _ in given)
    return [pair for pair in given if pair[0] != ROW] if is_well else given


def _in_a_line(result: Result) -> str:
    severity = f" ({result.severity})" if result.verdict is Verdict.FAIL else ""
    return f"{result.verdict}{severity}: {result.message}"


def first_of(report: pytest.TestReport) -> str | None:
    """Return the finding of a test before the repair, in a line; None if there was none."""
    return next((str(value) for name, value in report.user_properties if name == FIRST), None)


def first_verdict_of(report: pytest.TestReport) -> Verdict | None:
    """Return the verdict of a test before the repair; None if there was no finding."""
    return next((Verdict(str(value)) for name, value in report.user_properties if name == FIRST_VERDICT), None)


def row_of(report: pytest.TestReport) -> dict[str, Any] | None:
    """Return the row of the results file that a report carries."""
    text = _text_of(report)
    return {"kind": "result", **json.loads(text), **_known_of(report)} if text else None


@lru_cache(maxsize=4096)
def _shared(name: str, value: str) -> tuple[str, str]:
    """Return the same pair each time: pytest keeps the properties of every report to the end."""
    return name, value


@lru_cache(maxsize=1024)
def result_of(report: pytest.TestReport) -> Result | None:
    """Return the result that a report carries; None if its test is not a check, or has not ended yet.

    The results of the latest reports are kept: several reports read each, and pytest keeps all reports to the end.
    """
    text = _text_of(report)
    return from_row({**json.loads(text), **_known_of(report)}) if text else None


def _text_of(report: pytest.TestReport) -> str | None:
    if report.when == "teardown" or report.outcome not in FINAL:
        return None
    return next((str(value) for name, value in report.user_properties if name == ROW), None)


def _known_of(report: pytest.TestReport) -> dict[str, Any]:
    return {"nodeid": report.nodeid, "duration_s": round(report.duration, 6)}


def _json(row: Mapping[str, Any]) -> str:
    return json.dumps(row, separators=(",", ":"))


class ResultsFile:
    """The file; opened before anything is observed, and closed with a summary line."""

    def __init__(self, file: Path) -> None:
        """Create the file; `failure` is later the reason why it is incomplete. Raises pytest.UsageError."""
        self.file, self.failure = file, ""
        try:
            self._stream: LineWriter = open_lines(file)
        except OSError as error:
            raise pytest.UsageError(f"--audit-results {file}: {error.strerror}") from error

    def write(self, kind: str, **values: object) -> None:
        """Write one line."""
        self._write(_json({"kind": kind, **values}))

    def result(self, report: pytest.TestReport) -> None:
        """Write the result that a report carries: its text is JSON already, which saves encoding it again."""
        text = _text_of(report)
        if text:
            self._write(f'{{"kind":"result",{text[1:-1]},{_json(_known_of(report))[1:]}')

    def flush(self) -> None:
        """Write what has gathered, so that `failure` is known before the run has an exit status."""
        self._do(self._stream.flush)

    def _write(self, line: str) -> None:
        self._do(partial(self._stream.write, line + "\n"))

    def _do(self, effect: Callable[[], object]) -> None:
        if self._stream.closed:
            return
        try:
            effect()
        except OSError as error:
            self.failure = f"the results are incomplete: {self.file}: {error.strerror}"
            with suppress(OSError):  # the rest of the buffer cannot be written either
                self._stream.close()

    def abandon(self) -> None:
        """Close the file of a run that did not finish, which has no summary line; a closed file stays as it is."""
        with suppress(OSError):
            self._stream.close()

    def close(self, **summary: object) -> None:
        """Write the summary line and close."""
        self.write("summary", **summary)
        self.abandon()


def _not_inspected(facts: Facts) -> list[str]:
    """Return why processes of a host were not inspected, or the process behind an unknown service."""
    server = facts.observation.server
    if server is None:
        return []
    return [*server.not_trusted, *(server.unread if facts.endpoint.service == UNKNOWN else ())]


def observation_row(facts: Facts, phase: Phase = "before") -> dict[str, Any]:
    """Return the row of an observation."""
    seen, endpoint = facts.observation, facts.endpoint
    first = seen.handshakes[0] if seen.handshakes else None
    chain = facts.seen_chain
    served = [chain_facts for chain_facts in facts.of_each_chain if chain_facts.served]
    chains = [_chain_row(chain_facts) for chain_facts in served]
    main: list[dict[str, Any]] = next(
        (row["certificates"] for row, chain_facts in zip(chains, served, strict=True) if chain_facts is facts), []
    )
    return {
        "endpoint": str(endpoint),  # id of the endpoint or host
        "host": endpoint.hostspec,  # how the host is logged in to; null from outside
        "service": endpoint.service,  # name of the service; null from outside
        "phase": phase,  # before or after a repair
        "observed_at": format_time(seen.observed_at),  # time of the observation
        "addresses": list(seen.addresses),  # addresses that were connected to
        # addresses that the name has; null if it was not looked up
        "resolved": None if seen.dns is None or seen.dns.status == "not-asked" else list(seen.dns.addresses),
        "panel_service": seen.server.panel_service if seen.server else None,  # the panel's name for the service
        # addresses of the host itself; null from outside
        "own_addresses": [*seen.server.addresses, *seen.server.configured_addresses] if seen.server else None,
        "login": seen.server.login if seen.server else None,  # user that ran the commands
        "collector": seen.server.collector if seen.server else None,  # the only program that the login may run as root
        "protocol": first and first.version,  # version of TLS of the first handshake
        "cipher": first and first.cipher,  # its cipher suite
        "group": first and first.group,  # its key exchange group
        "chain": main,  # certificates of the first chain, as sent
        "chains": chains,  # every distinct chain that an address serves
        "names": _names(chain.leaf) if chain and chain.certificates else [],  # names and addresses in the leaf
        # files that the service names
        "installed": [_file_row(file) for file in (seen.server.files if seen.server else ())],
        "stapled": bool(first and first.ocsp_der is not None),  # whether an OCSP response was stapled
        # processes of the host, or behind an unknown service, that root does not inspect
        "not_inspected": _not_inspected(facts),
        "failure": _failure_row(seen),  # why there was no handshake; null if there was one
        "connections": seen.connections,  # number of connections
        "elapsed_s": round(seen.elapsed_s, 6),  # duration in seconds
    }


def _chain_row(facts: Facts) -> dict[str, Any]:
    """Return the part of the row about the chain of these facts."""
    certificates = facts.seen_chain.certificates if facts.seen_chain else ()
    leaf = next(iter(certificates), None)
    return {
        "addresses": list(facts.served.addresses) if facts.served else [],  # addresses that serve it
        "key_type": leaf and _known(lambda: leaf.key.kind),  # kind of the key of the leaf
        "names": _names(leaf) if leaf else [],  # names and addresses in the leaf
        "certificates": [_certificate_row(certificate) for certificate in certificates],  # as sent, the leaf first
    }


def _certificate_row(certificate: Certificate) -> dict[str, Any]:
    return {
        "sha256": certificate.sha256,  # digest of the DER
        "subject": _known(lambda: certificate.subject),  # as in RFC 4514
        "issuer": _known(lambda: certificate.issuer),  # as in RFC 4514
        "not_before": _known(lambda: format_time(certificate.not_before)),  # start of the validity
        "not_after": _known(lambda: format_time(certificate.not_after)),  # end of the validity
        "spki_sha256": _known(lambda: certificate.spki_sha256),  # digest of the public key
        "serial": _known(lambda: f"{certificate.serial:x}"),  # serial number, hexadecimal
        "key_type": _known(lambda: certificate.key.kind),  # kind of the key
        "key_bits": _known(lambda: certificate.key.bits),  # its length; null if it has only one
        "signature_algorithm": _known(lambda: certificate.signature_algorithm),  # name of the algorithm
        "ocsp": list(ocsp_urls(certificate)) if certificate.is_path_member else None,  # URLs of OCSP responders
        "crl": list(crl_urls(certificate)) if certificate.is_path_member else None,  # URLs of CRLs
    }


def _known(read: Any) -> Any:  # noqa: ANN401 - a fact of any type
    """Return a fact, or None if it could not be read: that is a finding of a check."""
    try:
        return read()
    except UnreadableField:
        return None


def _names(certificate: Certificate) -> list[str] | None:
    """Return the names and addresses of a certificate; None if they cannot be read."""
    names: list[str] | None = _known(lambda: [*certificate.dns_names, *certificate.ip_addresses])
    return names


def _file_row(file: InstalledFile) -> dict[str, Any]:
    mode = None if file.mode is None else f"{file.mode:04o}"
    first = read_certificate(file.chain_der[0]) if file.chain_der else None
    return {
        "path": file.path,  # as the configuration names it
        "real_path": file.real_path,  # where links lead
        "kind": file.kind,  # certificate, key or chain
        "owner": file.owner,  # user that owns it
        "group": file.group,  # its group
        "mode": mode,  # permission bits, octal
        "acl": None if file.acl is None else list(file.acl),  # rights of a POSIX ACL; null if they are unknown
        "spki_sha256": file.spki_sha256 or (first and _known(lambda: first.spki_sha256)),  # digest of its public key
        "names": _names(first) if first else [],  # names in its first certificate
        **({"fault": file.fault} if file.fault else {}),  # why it could not be read; left out if it could
    }


def _failure_row(seen: Observation) -> dict[str, Any] | None:
    failure = seen.failure
    if failure is None and seen.accident is None:
        return None
    stage, kind, detail = "audit", "broken", seen.accident.reason if seen.accident else ""
    if failure:
        stage, kind, detail = failure.stage, failure.kind, failure.detail
    return {
        "stage": stage,  # resolve, connect, starttls, handshake, login, host or audit
        "kind": kind,  # kind of failure, such as refused or timeout
        "detail": detail,  # one line for a person
    }
