"""Prints the output of `checkallsslcerts`: each finding, fetch, step and result as a sentence."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from threading import Lock
from typing import Final, TextIO

import pytest

from audit.text import format_utc, join_clauses, join_limited, one_line
from pytest_sslaudit.cli.local_server import with_defaults
from pytest_sslaudit.controller import Controller
from pytest_sslaudit.reports.carried_results import has_bug
from pytest_sslaudit.reports.summary import lines_of_endpoints, lines_of_totals
from pytest_sslaudit.run_state import KEY, Run
from pytest_sslaudit.settings import Invocation
from remediate.cli.output import StepUpdate, step_update_line
from remediate.model.audit_results import AuditResults
from remediate.model.case import Case, Reason, Repair, Step, StepState
from remediate.model.options import chosen_issuer, issuer_kind
from remediate.model.plan import NotRepairable, Plan, WaitingCase

STORE: Final = "the cPanel Store"
PANEL: Final = ("cpanel", "dovecot", "exim", "ftp")
"""The services that the panel has one certificate each for, in its order."""
_OF_STORE: Final = ("store", "cpanel")  # kinds of issuers

_CONDITIONS: Final[Mapping[str, str]] = {
    "cert.self-signed": "self-signed certificate",
    "key.compromised": "certificate with a compromised key",
    "cert.revoked": "revoked certificate",
    "cert.malformed": "unreadable certificate",
    "cert.weak-signature": "certificate with a weak signature algorithm",
    "key.weak": "certificate with a weak key",
    "cert.san-missing": "certificate without a Subject Alternative Name extension",
    "cert.eku-missing-serverauth": "certificate without Extended Key Usage for server authentication",
    "cert.expired": "expired certificate",
    "cert.not-yet-valid": "not yet valid certificate",
    "cert.name-mismatch": "certificate for other names",
    "key.mismatch": "certificate that does not belong to its key",
    "cert.untrusted": "untrusted certificate",
    "cert.expiring": "certificate that expires soon",
    "cert.renewal-due": "certificate that is due for renewal",
}
"""The words for a certificate with a finding; the first that applies is used. The first is the panel's word."""
_MISSING: Final = "svc.certificate-missing"
_WITHOUT_ISSUER: Final[Mapping[Repair, str]] = {
    Repair.RECHAIN: "The system will attempt to complete the certificate chain",
    Repair.RELOAD: "The system will attempt to have the installed certificate served",
    Repair.HOST: "The system will attempt to correct who may read the key files",
}


@dataclass(frozen=True, slots=True)
class Wording:
    """The wording of sentences about a plan: what each service serves, and the name and kind of the issuer."""

    evidence: AuditResults
    issuer: str | None
    kind: str | None

    def attempt(self, case: Case, service: str) -> str:
        """Return the sentence about the attempt to repair a service of a case."""
        where, checks = self.named(case, service), {reason.check for reason in self._reasons(case, service)}
        if case.repair in _WITHOUT_ISSUER:
            return f"{_WITHOUT_ISSUER[case.repair]} for the {where}."
        if _MISSING in checks:
            return f"The system will attempt to install a signed certificate from {self._from(case)} for the {where}."
        fits = (words for check, words in _CONDITIONS.items() if check in checks)
        condition = next(fits, f"certificate ({', '.join(sorted(checks))})" if checks else "certificate")
        return f"The system will attempt to replace the {condition} for the {where} with a signed certificate from {self._from(case)}."  # noqa: E501 - the sentence, as it is printed

    def service_name(self, endpoints: Iterable[str], service: str) -> str:
        """Return the name that the panel uses for a service, else its own name."""
        observed = (self.evidence.seen.get(endpoint) for endpoint in endpoints)
        names = (endpoint.panel_service for endpoint in observed if endpoint and endpoint.service == service)
        return next(filter(None, names), service)

    def named(self, case: Case, service: str) -> str:
        """Return a service with the names of its certificate, unless the panel has one certificate for it."""
        name = self.service_name(case.endpoints, service)
        return f"{name} service" if case.is_panel else f"{name} service ({join_limited(case.names)})"

    def service(self, endpoint: str) -> str:
        """Return the service of an endpoint."""
        seen = self.evidence.seen.get(endpoint)
        return seen.service if seen else ""

    def _from(self, case: Case) -> str:
        """Return the name of the issuer: on a panel's server the Store of cPanel."""
        if case.is_panel and self.kind in _OF_STORE:
            return STORE
        if case.repair is Repair.RUN_OWNER:
            return str(case.owner)
        return f"the issuer {self.issuer}" if self.issuer else "an issuer"

    def _reasons(self, case: Case, service: str) -> tuple[Reason, ...]:
        """Return the reasons for a repair on this service, else on any service with the same certificate."""
        return tuple(reason for reason in case.reasons if self.service(reason.endpoint) == service) or case.reasons


def plan_sentences(plan: Plan, wording: Wording) -> Iterator[str]:
    """Yield sentences about the attempts with reasons and steps, the waiting cases, and the other findings."""
    attempts = sorted(_attempts(plan, wording))
    yield from (text for _, _, text in attempts)
    for case in plan.cases:
        yield from _case_steps(case)
    for waiting in plan.waiting:
        yield from _waiting(waiting, wording)
    yield from _valid(plan.explained, wording)
    yield from _not_repaired(plan)
    if not attempts:
        yield "There is nothing that the system will attempt to replace."


def _attempts(plan: Plan, wording: Wording) -> Iterator[tuple[int, str, str]]:
    """Yield for each service of each case its position in the panel's order, its name, and the sentence."""
    for case in plan.cases:
        for service in case.services:
            name = wording.service_name(case.endpoints, service)
            position = PANEL.index(name) if case.is_panel and name in PANEL else len(PANEL)
            yield position, name, one_line(wording.attempt(case, service))


def _case_steps(case: Case) -> Iterator[str]:
    steps = ", ".join(dict.fromkeys(step.kind for step in case.steps))
    yield one_line(f"Case {case.id} on {case.host}, for {join_limited(case.names, 100)}: {steps}.")
    for reason in case.reasons:
        yield f"  because {one_line(f'{reason.endpoint}: {reason.check}: {reason.message}')}"


def _waiting(waiting: WaitingCase, wording: Wording) -> Iterator[str]:
    why = join_clauses([blocker.text for blocker in waiting.blocked_by])
    for service in waiting.case.services:
        where = wording.named(waiting.case, service)
        yield one_line(f"The system will not replace the certificate for the {where} now: {why}.")


def _valid(explained: Iterable[NotRepairable], wording: Wording) -> Iterator[str]:
    """Yield a line for each service with a valid certificate."""
    ends_by_service: dict[str, list[datetime]] = {}
    for finding in explained:
        seen = wording.evidence.seen.get(finding.endpoint) if finding.kind == "well" else None
        if seen and seen.not_after:
            ends_by_service.setdefault(wording.service_name([finding.endpoint], seen.service), []).append(
                seen.not_after
            )
    for name, ends in sorted(ends_by_service.items()):
        end = format_utc(min(ends))
        yield f"Nothing is wrong with the certificate of the {name} service, which is valid until {end}."


def _not_repaired(plan: Plan) -> Iterator[str]:
    """Yield the findings that are not repaired; no inconclusive check of an endpoint with another finding."""
    cases = (*plan.cases, *(waiting.case for waiting in plan.waiting))
    with_finding = {finding.endpoint for finding in plan.explained if finding.kind not in ("well", "unknown")}
    with_finding |= {endpoint for case in cases for endpoint in case.endpoints}
    for finding in plan.explained:
        if finding.kind == "well" or (finding.kind == "unknown" and finding.endpoint in with_finding):
            continue
        text = join_clauses([part for part in (finding.message, f"not changed: {finding.why}") if part])
        yield one_line(f"{finding.endpoint}: {finding.check}: {text}")


@dataclass
class Console:
    """Lines to a stream and to a log; details only to the log, unless the output is verbose."""

    stream: TextIO
    log: TextIO
    is_verbose: bool
    _turn: Lock = field(default_factory=Lock)

    def say(self, line: str, *, is_detail: bool = False) -> None:
        """Write a line. A closed stream or a full disk does not end a repair."""
        with self._turn:
            write_line(self.log, line)
            if self.is_verbose or not is_detail:
                write_line(self.stream, line)

    def say_all_is_well(self, line: str) -> None:
        """Write a line that a person at a terminal expects, but of which cron would make an email."""
        self.say(line, is_detail=not self.stream.isatty())


def write_line(stream: TextIO, line: str) -> None:
    """Write a line, also to a closed stream; characters that its encoding lacks are escaped."""
    encoding = stream.encoding or "utf-8"
    try:
        stream.write(f"{line.encode(encoding, 'backslashreplace').decode(encoding)}\n")
        stream.flush()
    except OSError:
        with suppress(OSError), Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), stream.fileno())  # else Python fails to flush the buffer when it exits


class Narrator:
    """The hooks of a run that the command started. `again` continues it; `folder` has its reports."""

    def __init__(self, console: Console, again: tuple[str, ...], folder: Path) -> None:
        """Keep the console; nothing is printed yet."""
        self._console, self._again, self._folder = console, again, folder
        self._traces: list[str] = []
        self._has_printed = self._is_passed = False

    def pytest_sslaudit_invocation(self, configuration: object) -> Invocation:
        """Add the defaults of a server to its configuration."""
        return Invocation(with_defaults(configuration, self._folder), "checkallsslcerts", self._again)  # type: ignore[arg-type]  # hooks have no types

    def pytest_sslaudit_plan(self, config: pytest.Config, plan: Plan, evidence: AuditResults) -> None:
        """Print what will be attempted."""
        for line in plan_sentences(plan, wording_for(config.stash[KEY], evidence)):
            self._console.say(line, is_detail=True)

    def pytest_sslaudit_step(self, case: Case, step: Step, state: StepState, note: str) -> None:
        """Print the new state of a step."""
        self._console.say(step_update_line(StepUpdate(case, step, state, note)), is_detail=True)

    def pytest_sslaudit_message(self, line: str, is_detail: bool) -> None:  # noqa: FBT001 - hooks are called by name
        """Print a line about the repair."""
        self._has_printed |= not is_detail
        self._console.say(line, is_detail=is_detail)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Store the trace of an error."""
        if has_bug(report):
            self._traces.append(report.longreprtext)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Store why checks could not be collected."""
        if report.failed:
            self._traces.append(report.longreprtext)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None, None, None]:
        """Store whether the run has passed, after all other hooks have set its exit status."""
        yield
        self._is_passed = session.exitstatus == pytest.ExitCode.OK

    @pytest.hookimpl(trylast=True)
    def pytest_unconfigure(self, config: pytest.Config) -> None:
        """Print the result of the run; nothing if all is well and nothing was done, but on a terminal one line."""
        controller = config.pluginmanager.getplugin("sslaudit-controller")
        if not isinstance(controller, Controller) or not controller.totals.verdicts:
            return
        for trace in self._traces:
            self._console.say(trace)
        counts = (*lines_of_totals(controller.totals), f"the report: {self._folder / 'report.html'}")
        if self._is_passed and not self._has_printed and not self._traces:
            self._console.say_all_is_well("; ".join(counts))
        else:
            for line in (*lines_of_endpoints(controller.totals), *counts):
                self._console.say(line)


def wording_for(run: Run, evidence: AuditResults) -> Wording:
    """Return the wording for the plan of a run."""
    settings = run.settings
    name = chosen_issuer(settings.configuration, settings.issuer)
    return Wording(evidence, name, issuer_kind(settings.configuration, name))
