"""What `checkallsslcerts` prints: each finding, fetch, step and result as a sentence."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import pytest

from audit.text import listing, moment, one_line, sentence
from audit.verdict import Verdict
from pytest_sslaudit.cli.console import Console
from pytest_sslaudit.cli.local_server import with_defaults
from pytest_sslaudit.controller import Controller
from pytest_sslaudit.reports.results_file import result_of
from pytest_sslaudit.reports.summary import lines_of_endpoints, lines_of_totals
from pytest_sslaudit.reports.totals import Tally
from pytest_sslaudit.run_state import KEY, Run
from pytest_sslaudit.settings import Begun
from remediate.cli.output import Moment, moment_line
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
"""What a certificate is called for its finding; the first that fits is said. The seed's word is the first."""
_MISSING: Final = "svc.certificate-missing"
_WITHOUT_ISSUER: Final[Mapping[Repair, str]] = {
    Repair.RECHAIN: "The system will attempt to complete the certificate chain",
    Repair.RELOAD: "The system will attempt to have the installed certificate served",
    Repair.HOST: "The system will attempt to correct who may read the key files",
}


@dataclass(frozen=True, slots=True)
class Wording:
    """What was seen of each service, and who issues: the name and the kind of its section."""

    evidence: AuditResults
    issuer: str | None
    kind: str | None

    def attempt(self, case: Case, service: str) -> str:
        """Say what is attempted for a service of a case."""
        where, checks = self.named(case, service), {reason.check for reason in self._reasons(case, service)}
        if case.repair in _WITHOUT_ISSUER:
            return f"{_WITHOUT_ISSUER[case.repair]} for the {where}."
        if _MISSING in checks:
            return f"The system will attempt to install a signed certificate from {self._from(case)} for the {where}."
        fits = (words for check, words in _CONDITIONS.items() if check in checks)
        what = next(fits, f"certificate ({', '.join(sorted(checks))})" if checks else "certificate")
        return f"The system will attempt to replace the {what} for the {where} with a signed certificate from {self._from(case)}."  # noqa: E501 - the sentence, as it is printed

    def word(self, endpoints: Iterable[str], service: str) -> str:
        """Return the panel's word for a service where it is the panel's, else its own."""
        seen = (self.evidence.seen.get(one) for one in endpoints)
        words = (one.panel_service for one in seen if one and one.service == service and one.panel_service)
        return next(words, service)

    def named(self, case: Case, service: str) -> str:
        """Return a service with the names that tell its certificates apart, where it may have several."""
        word = self.word(case.endpoints, service)
        return f"{word} service" if case.is_panel else f"{word} service ({listing(case.names)})"

    def service(self, endpoint: str) -> str:
        """Return the service of an endpoint."""
        seen = self.evidence.seen.get(endpoint)
        return seen.service if seen else ""

    def _from(self, case: Case) -> str:
        """Say who issues: on a panel's server the Store is the panel's."""
        if case.is_panel and self.kind in _OF_STORE:
            return STORE
        if case.repair is Repair.RUN_OWNER:
            return str(case.owner)
        return f"the issuer {self.issuer}" if self.issuer else "an issuer"

    def _reasons(self, case: Case, service: str) -> tuple[Reason, ...]:
        """Return what speaks for a repair on a service itself, else on any other that has the same certificate."""
        return tuple(one for one in case.reasons if self.service(one.endpoint) == service) or case.reasons


def lines_of(plan: Plan, teller: Wording) -> Iterator[str]:
    """Yield what is attempted, then why and how; what waits and why; what is left as it is and why."""
    attempts = sorted(_attempts(plan, teller))
    yield from (text for _, _, text in attempts)
    for case in plan.cases:
        yield from _how(case)
    for waiting in plan.waiting:
        yield from _waits(waiting, teller)
    yield from _well(plan.explained, teller)
    yield from _left(plan)
    if not attempts:
        yield "There is nothing that the system will attempt to replace."


def _attempts(plan: Plan, teller: Wording) -> Iterator[tuple[int, str, str]]:
    """Yield for each service of each case its place in the panel's order, its name, and the sentence."""
    for case in plan.cases:
        for service in case.services:
            word = teller.word(case.endpoints, service)
            place = PANEL.index(word) if case.is_panel and word in PANEL else len(PANEL)
            yield place, word, one_line(teller.attempt(case, service))


def _how(case: Case) -> Iterator[str]:
    steps = ", ".join(dict.fromkeys(step.kind for step in case.steps))
    yield one_line(f"Case {case.id} on {case.host}, for {listing(case.names, 100)}: {steps}.")
    for reason in case.reasons:
        yield f"  because {one_line(f'{reason.endpoint}: {reason.check}: {reason.message}')}"


def _waits(waiting: WaitingCase, teller: Wording) -> Iterator[str]:
    why = sentence([blocker.text for blocker in waiting.blocked_by])
    for service in waiting.case.services:
        where = teller.named(waiting.case, service)
        yield one_line(f"The system will not replace the certificate for the {where} now: {why}.")


def _well(explained: Iterable[NotRepairable], teller: Wording) -> Iterator[str]:
    """Yield a line for each service of which an endpoint is well."""
    found: dict[str, list[datetime]] = {}
    for one in explained:
        seen = teller.evidence.seen.get(one.endpoint) if one.kind == "well" else None
        if seen and seen.not_after:
            found.setdefault(teller.word([one.endpoint], seen.service), []).append(seen.not_after)
    for word, ends in sorted(found.items()):
        yield f"Nothing is wrong with the certificate of the {word} service, which is valid until {moment(min(ends))}."


def _left(plan: Plan) -> Iterator[str]:
    """Yield what is left as it is; but not what could not be told of an endpoint where something else is found."""
    found = {one.endpoint for one in plan.explained if one.kind not in ("well", "unknown")}
    found |= {endpoint for case in (*plan.cases, *(one.case for one in plan.waiting)) for endpoint in case.endpoints}
    for one in plan.explained:
        if one.kind == "well" or (one.kind == "unknown" and one.endpoint in found):
            continue
        finding = sentence([part for part in (one.message, f"left as it is: {one.why}") if part])
        yield one_line(f"{one.endpoint}: {one.check}: {finding}")


class Narrator:
    """The hooks of a run that the command began. `again` is what continues it, `folder` where its reports are kept."""

    def __init__(self, voice: Console, again: tuple[str, ...], folder: Path) -> None:
        """Say nothing yet."""
        self._voice, self._again, self._folder = voice, again, folder
        self._traces: list[str] = []
        self._has_spoken = False

    def pytest_sslaudit_begun(self, configuration: object) -> Begun:
        """Fill in what the server's configuration leaves open."""
        return Begun(with_defaults(configuration, self._folder), "checkallsslcerts", self._again)  # type: ignore[arg-type]  # hooks have no types

    def pytest_sslaudit_planned(self, config: pytest.Config, plan: Plan, evidence: AuditResults) -> None:
        """Say what is attempted, before it is."""
        for line in lines_of(plan, teller_of(config.stash[KEY], evidence)):
            self._voice.say(line, is_detail=True)

    def pytest_sslaudit_stepped(self, case: Case, step: Step, state: StepState, note: str) -> None:
        """Say what a step has become."""
        self._voice.say(moment_line(Moment(case, step, state, note)), is_detail=True)

    def pytest_sslaudit_said(self, line: str, is_detail: bool) -> None:  # noqa: FBT001 - hooks are called by name
        """Say a line about the repair."""
        self._has_spoken |= not is_detail
        self._voice.say(line, is_detail=is_detail)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep the trace of a bug of ours."""
        result = result_of(report)
        if result and result.verdict is Verdict.ERROR:
            self._traces.append(report.longreprtext)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Keep why checks could not be collected."""
        if report.failed:
            self._traces.append(report.longreprtext)

    @pytest.hookimpl(trylast=True)
    def pytest_unconfigure(self, config: pytest.Config) -> None:
        """Say what the run came to: one line where all is well and nothing was done."""
        controller = config.pluginmanager.getplugin("sslaudit-controller")
        if not isinstance(controller, Controller) or not controller.tally.verdicts:
            return
        for trace in self._traces:
            self._voice.say(trace)
        for line in self._ended(controller.tally):
            self._voice.say(line)

    def _ended(self, tally: Tally) -> Iterator[str]:
        totals, where = tuple(lines_of_totals(tally)), f"the report: {self._folder / 'report.html'}"
        failed = tuple(lines_of_endpoints(tally))
        if failed or self._has_spoken or self._traces:
            yield from (*failed, *totals, where)
        else:
            yield "; ".join((*totals, where))


def teller_of(run: Run, evidence: AuditResults) -> Wording:
    """Return what tells of a run's plan: what was seen, and who issues."""
    settings = run.settings
    name = chosen_issuer(settings.configuration, settings.issuer)
    return Wording(evidence, name, issuer_kind(settings.configuration, name))
