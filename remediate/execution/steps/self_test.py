"""The step `self-test`: the challenge file is on every host that serves a name, and every address returns it.

`challenges/` defines the file and judges a response.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from audit.probe.deadline import Stopped
from audit.text import join_clauses, join_limited
from remediate.challenges import ChallengeDirectory, ProbeResult, ProbeSettings
from remediate.challenges.dns_lookup import LookUp
from remediate.execution.case_context import CaseContext, PublishedFile
from remediate.execution.preview import Action, PreviewState, Remark
from remediate.execution.steps.access_log_notes import request_notes
from remediate.execution.steps.base import Satisfied, StepBlocked, output_tail, require_success
from remediate.execution.steps.key import preview_key, request_of
from remediate.issuers import KnowsChallengesBefore
from remediate.model.authorization import Challenge
from remediate.model.case import Validation
from remediate.model.causes import Cause


class SelfTest:
    """Tests the challenge file until an order is placed; after that only the validation of the CA counts."""

    def check(self, context: CaseContext, subject: str) -> Satisfied | None:
        """Return Satisfied if every address returned the file, or an order exists."""
        del subject  # it is for the whole case
        if not isinstance(context.issuer.client, KnowsChallengesBefore):
            return Satisfied("the issuer sends its challenges with the order")
        orders = context.orders.unused(context.case.id)
        if orders and orders[-1].is_under_way:
            return Satisfied("there is an order already")
        return (
            Satisfied(join_clauses(("the file was found at every address", *context.seen)))
            if context.is_published
            else None
        )

    def apply(self, context: CaseContext, subject: str) -> None:
        """Publish the file and fetch it at every address of every name; publish nothing if a name has no address."""
        del subject
        lookups = [(name, lookup_of(context, name.name)) for name in context.case.validated_on]
        publish(context)
        names = [
            _NameResult(name, lookup, _probe_addresses(context, name, lookup), _first_address_only(context, name))
            for name, lookup in lookups
        ]
        context.seen = tuple(note for name in names for note in name.notes)
        if bad := [result for name in names for result in name.bad]:
            raise StepBlocked(
                Cause(f"dcv.{bad[0].verdict}"),
                "\n".join((*map(str, bad), *_failure_details(context, names))),
                finding=join_clauses(sorted(f"{result.name} {result.address} {result.verdict}" for result in bad)),
            )

    def preview(self, state: PreviewState, subject: str) -> Iterator[Action | Remark]:
        """Yield the commands that publish the file, unless there is an order already."""
        if self.check(state.context, subject) is None:
            yield from preview_publication(state)
            yield Remark("the file is then fetched from every address of each name, as the CA will")


@dataclass(frozen=True, slots=True)
class _NameResult:
    """The results for a name. With `first_address_only` the first address decides, as in the panel's own script."""

    name: Validation
    lookup: LookUp
    results: tuple[ProbeResult, ...]
    first_address_only: bool

    @property
    def first(self) -> ProbeResult | None:
        """The result of the deciding address; None if all addresses decide or that address could not be reached."""
        address = self.lookup.first_address if self.first_address_only else None
        return next(
            (result for result in self.results if result.address == address and result.verdict != "unseen"), None
        )

    @property
    def bad(self) -> tuple[ProbeResult, ...]:
        """The results that block the order; an unreachable network blocks it if no address returns the file."""
        deciding = (self.first,) if self.first else self.results
        bad = tuple(result for result in deciding if result.verdict not in ("good", "unseen"))
        return bad or (() if any(result.verdict == "good" for result in deciding) else deciding)

    @property
    def notes(self) -> tuple[str, ...]:
        """The notes that are not part of the results."""
        unseen = (
            f"{result.name} at {result.address}: {result.detail}"
            for result in self.results
            if result.verdict == "unseen"
        )
        return (*(f"{self.lookup.name}: {note}" for note in self.lookup.notes), *unseen, *self._other_addresses())

    def _other_addresses(self) -> Iterator[str]:
        """Yield a line that the first address decides, and the results of the others, which some CAs request too."""
        if self.first and len(self.results) > 1:
            others = (result for result in self.results if result is not self.first)
            verdicts = [f"{result.address}: {result.verdict}: {result.detail}" for result in others]
            yield (
                f"{self.lookup.name}: the first address of the trace, {self.first.address}, decides, "
                "as in the panel's own script"
            )
            yield f"a CA may connect to any address, from several networks ({join_clauses(verdicts)})"


def publish(context: CaseContext) -> None:
    """Publish the challenge file on all hosts; raises StepBlocked before the first if a document root is unknown."""
    for file in tuple(challenge_files(context)):
        require_success(context, context.run.solver.present(file.challenge, file.where))
        context.log(_location(context, file))
    context.is_published = True


def _location(context: CaseContext, file: PublishedFile) -> str:
    path = context.run.solver.location(file.challenge, file.where)
    return f"the file is on {file.where.workdir.host} as {path}"


def preview_publication(state: PreviewState) -> Iterator[Action]:
    """Yield the actions of `publish`. The file needs the CSR; if a document root is unknown, no file is published."""
    published = list[PublishedFile]()
    for file in challenge_files(state.context):
        yield from preview_key(state)
        published.append(file)
    yield from (state.context.run.solver.present(file.challenge, file.where) for file in published)
    state.context.is_published = True


def withdraw(context: CaseContext) -> tuple[str, ...]:
    """Remove the challenge files and return the failures; a file that stays is harmless and stops no repair."""
    try:
        results = [
            (file.where.workdir.host, context.execute(context.run.solver.clean_up(file.challenge, file.where)))
            for file in placed_files(context)
        ]
    except StepBlocked as why:
        return (str(why),)
    return tuple(f"{host}: {output_tail(result)}" for host, result in results if not result.ok)


def preview_withdrawal(state: PreviewState) -> Iterator[Action]:
    """Yield the commands of `withdraw`."""
    with suppress(StepBlocked):
        for file in placed_files(state.context):
            yield state.context.run.solver.clean_up(file.challenge, file.where)


def challenge_files(context: CaseContext) -> Iterator[PublishedFile]:
    """Yield the file of each name on each of its hosts; raises StepBlocked if a document root is unknown."""
    for name, host in _validations(context):
        where = _directory(context, name, host)
        yield PublishedFile(_challenge(context, name), where)


def placed_files(context: CaseContext) -> Iterator[PublishedFile]:
    """Yield the files that may be on a host, because their document root is known."""
    for name, host in _validations(context):
        try:
            where = _directory(context, name, host)
        except StepBlocked:
            continue
        yield PublishedFile(_challenge(context, name), where)


def _validations(context: CaseContext) -> Iterator[tuple[str, str]]:
    """Yield each name with each of its hosts; no name if the issuer sends its challenges with the order."""
    if isinstance(context.issuer.client, KnowsChallengesBefore):
        yield from ((name.name, host) for name in context.case.validated_on for host in name.hosts)


def _challenge(context: CaseContext, name: str) -> Challenge:
    issuer = context.issuer.client
    if not isinstance(issuer, KnowsChallengesBefore):
        raise TypeError(f"{issuer!r} sends its challenges with the order")
    return issuer.challenges_for(request_of(context), (name,))[0]


def _directory(context: CaseContext, name: str, host: str) -> ChallengeDirectory:
    docroot = context.run.host(host).docroot(name, context.case.services)
    if isinstance(docroot, str):
        raise StepBlocked(
            Cause.DCV_NO_DOCROOT,
            f"the document root of http://{name}/ on {host} is not known: {docroot}",
            finding=f"{name} {host}",
        )
    return ChallengeDirectory(context.workdir_on(host), docroot.folder, docroot.below)


def lookup_of(context: CaseContext, name: str) -> LookUp:
    """Return the addresses of a name; raises StepBlocked if it has no address, for this run or for the CA."""
    run = context.run
    try:
        lookup = run.network.lookups.of(name, run.network.limits, run.stop)
    except Stopped:
        raise StepBlocked(Cause.RUN_STOPPED, f"stopped while {name} was looked up", ended="interrupted") from None
    run.log("\n".join(lookup.lines()))
    if lookup.failure:
        why = join_clauses((f"{name}: {lookup.failure.detail}", *lookup.notes))
        raise StepBlocked(Cause(f"dns.{lookup.failure.kind}"), why, finding=name)
    return lookup


def _probe_addresses(context: CaseContext, name: Validation, lookup: LookUp) -> tuple[ProbeResult, ...]:
    """Return the result of each address of a name, over all of its hosts."""
    run = context.run
    by_host = [run.host(host).addresses for host in name.hosts]
    own_addresses = frozenset[str]().union(*by_host) if all(by_host) else frozenset[str]()
    settings = ProbeSettings(run.network.http_port, own_addresses=own_addresses, stop=run.stop)
    results = run.solver.self_test(_challenge(context, name.name), lookup.addresses, settings)
    for result in results:
        run.log("\n".join(filter(None, (result.command, str(result)))))
    if len(results) < len(lookup.addresses):
        raise StepBlocked(
            Cause.RUN_STOPPED,
            f"the run was stopped; observed of {name.name}: {join_limited(results)}",
            ended="interrupted",
        )
    return results


def _first_address_only(context: CaseContext, name: Validation) -> bool:
    return all(context.run.host(host).first_address_only for host in name.hosts)


def _failure_details(context: CaseContext, names: Sequence[_NameResult]) -> Iterator[str]:
    """Yield what helps to fix a failure: where the file is, the addresses of the names, and who requested the file."""
    published = tuple(challenge_files(context))
    yield from (_location(context, file) for file in published)
    for lookup in (name.lookup for name in names):
        source = "the trace from the root servers" if lookup.trace else "the resolver"
        yield f"{lookup.name} leads to {join_limited(lookup.addresses)}, according to {source}"
    yield from context.seen
    yield from request_notes(context, published, is_ordered=False)
