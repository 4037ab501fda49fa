"""The step `self-test`: the challenge file is on every host that serves a name, and can be fetched at every address.

What the file is and how a response is judged is in `challenges/`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from audit.probe.deadline import Stopped
from audit.text import listing, sentence
from remediate.challenges import Challenge, ProbeResult, ProbeSettings
from remediate.challenges.dns_lookup import LookUp
from remediate.execution.case_context import CaseContext
from remediate.execution.preview import Action, PreviewState, Remark
from remediate.execution.steps.access_log_notes import request_notes
from remediate.execution.steps.base import Satisfied, StepBlocked, output_tail, require_success
from remediate.execution.steps.key import preview_key, request_of
from remediate.model.case import Validation
from remediate.model.causes import Cause

ORDERED = ("pending-validation", "pending-review", "issued")


class SelfTest:
    """Is skipped once an order is placed: then only what the CA sees counts."""

    def check(self, context: CaseContext, subject: str) -> Satisfied | None:
        """Return that the file was found at every address, or that there is an order already."""
        del subject  # it is for the whole case
        orders = context.orders.unused(context.case.id)
        if orders and orders[-1].status in ORDERED:
            return Satisfied("there is an order already")
        return (
            Satisfied(sentence(("the file was found at every address", *context.seen)))
            if context.is_published
            else None
        )

    def apply(self, context: CaseContext, subject: str) -> None:
        """Publish the file and fetch it at every address of every name; publish nothing if a name has no address."""
        del subject
        found = [(name, _look_up(context, name)) for name in context.case.validated_on]
        publish(context)
        seen = [
            _NameResult(name, lookup, _probe_addresses(context, name, lookup), _first_address_only(context, name))
            for name, lookup in found
        ]
        context.seen = tuple(note for one in seen for note in one.notes)
        if bad := [result for one in seen for result in one.bad]:
            raise StepBlocked(
                Cause(f"dcv.{bad[0].verdict}"), "\n".join((*map(str, bad), *_failure_details(context, seen)))
            )

    def preview(self, state: PreviewState, subject: str) -> Iterator[Action | Remark]:
        """Yield the commands that publish the file, unless there is an order already."""
        if self.check(state.context, subject) is None:
            yield from preview_publication(state)
            yield Remark("the file is then fetched from every address of each name, as the CA will")


@dataclass(frozen=True, slots=True)
class _NameResult:
    """The results for a name. With `first_address_only` its first address decides, as in the panel's own script."""

    name: Validation
    lookup: LookUp
    results: tuple[ProbeResult, ...]
    first_address_only: bool

    @property
    def first(self) -> ProbeResult | None:
        """The result that decides; None if all decide, or if that address could not be reached from here."""
        place = self.lookup.first_address if self.first_address_only else None
        return next((one for one in self.results if one.address == place and one.verdict != "unseen"), None)

    @property
    def bad(self) -> tuple[ProbeResult, ...]:
        """The results that block the order. An unreachable network does not, if the file is seen at another address."""
        deciding = (self.first,) if self.first else self.results
        bad = tuple(result for result in deciding if result.verdict not in ("good", "unseen"))
        return bad or (() if any(result.verdict == "good" for result in deciding) else deciding)

    @property
    def notes(self) -> tuple[str, ...]:
        """What is reported beside the results."""
        unseen = (f"{one.name} at {one.address}: {one.detail}" for one in self.results if one.verdict == "unseen")
        return (*(f"{self.lookup.name}: {note}" for note in self.lookup.notes), *unseen, *self._others())

    def _others(self) -> Iterator[str]:
        """Yield that one address decides, and how the others answer, for CAs that ask there too."""
        if self.first and len(self.results) > 1:
            others = (one for one in self.results if one is not self.first)
            told = [f"{one.address}: {one.verdict}: {one.detail}" for one in others]
            yield (
                f"{self.lookup.name}: the first address of the trace, {self.first.address}, decides, "
                "as in the panel's own script"
            )
            yield f"a CA may ask at any address and from several networks ({sentence(told)})"


def publish(context: CaseContext) -> None:
    """Publish the challenge file on all hosts, or on none if one of them has no document root; raises StepBlocked."""
    for challenge in tuple(challenges(context)):
        require_success(context, context.run.solver.present(challenge))
        context.log(f"the file lies on {challenge.workdir.host} as {context.run.solver.location(challenge)}")
    context.is_published = True


def preview_publication(state: PreviewState) -> Iterator[Action]:
    """Yield what `publish` runs. The first file needs the request, and no file is put if a host has no place for it."""
    found = list[Challenge]()
    for challenge in challenges(state.context):
        yield from preview_key(state)
        found.append(challenge)
    yield from map(state.context.run.solver.present, found)
    state.context.is_published = True


def withdraw(context: CaseContext) -> tuple[str, ...]:
    """Remove the challenge files, and return where that failed, which does no harm and stops no repair."""
    try:
        left = [(one, context.execute(context.run.solver.clean_up(one))) for one in placed_challenges(context)]
    except StepBlocked as why:
        return (str(why),)
    return tuple(f"{one.workdir.host}: {output_tail(result)}" for one, result in left if not result.ok)


def preview_withdrawal(state: PreviewState) -> Iterator[Action]:
    """Yield what `withdraw` runs."""
    with suppress(StepBlocked):
        yield from map(state.context.run.solver.clean_up, placed_challenges(state.context))


def unique_value(context: CaseContext) -> str:
    """Return the unique value of the challenge: derived from the CSR, so that it is the same in every run."""
    return request_of(context).sha256[:20]


def challenges(context: CaseContext) -> Iterator[Challenge]:
    """Yield the challenge of each name on each of its hosts; raises StepBlocked if one has no document root for it."""
    for name in context.case.validated_on:
        for host in name.hosts:
            yield _challenge(context, name.name, host)


def placed_challenges(context: CaseContext) -> Iterator[Challenge]:
    """Yield the challenges whose files may be on hosts: those with a document root."""
    for name in context.case.validated_on:
        for host in name.hosts:
            try:
                yield _challenge(context, name.name, host)
            except StepBlocked as why:
                if why.cause is not Cause.DCV_NO_DOCROOT:
                    raise


def _challenge(context: CaseContext, name: str, host: str) -> Challenge:
    docroot = context.run.host(host).docroot(name, context.case.services)
    if isinstance(docroot, str):
        raise StepBlocked(
            Cause.DCV_NO_DOCROOT, f"the document root of http://{name}/ on {host} is not known: {docroot}"
        )
    return Challenge(
        context.workdir_on(host), name, request_of(context), unique_value(context), docroot.folder, docroot.below
    )


def _look_up(context: CaseContext, name: Validation) -> LookUp:
    """Return the addresses of a name; raises StepBlocked if it has none, for us or for the CA."""
    run = context.run
    try:
        found = run.network.lookups.of(name.name, run.network.limits, run.stop)
    except Stopped:
        raise StepBlocked(Cause.RUN_STOPPED, f"stopped while {name.name} was looked up", ended="interrupted") from None
    run.log("\n".join(found.lines()))
    if found.failure:
        why = sentence((f"{name.name}: {found.failure.detail}", *found.notes))
        raise StepBlocked(Cause(f"dns.{found.failure.kind}"), why)
    return found


def _probe_addresses(context: CaseContext, name: Validation, lookup: LookUp) -> tuple[ProbeResult, ...]:
    """Return the result of each address of a name, on any of its hosts."""
    run = context.run
    known = [run.host(host).addresses for host in name.hosts]
    own = frozenset[str]().union(*known) if all(known) else frozenset[str]()
    settings = ProbeSettings(run.network.http_port, own_addresses=own, stop=run.stop)
    results = run.solver.self_test(_challenge(context, name.name, name.hosts[0]), lookup.addresses, settings)
    for result in results:
        run.log("\n".join(filter(None, (result.asked, str(result)))))
    if len(results) < len(lookup.addresses):
        raise StepBlocked(
            Cause.RUN_STOPPED, f"the run was stopped; seen of {name.name}: {listing(results)}", ended="interrupted"
        )
    return results


def _first_address_only(context: CaseContext, name: Validation) -> bool:
    return all(context.run.host(host).first_address_only for host in name.hosts)


def _failure_details(context: CaseContext, seen: Sequence[_NameResult]) -> Iterator[str]:
    """Yield what helps to fix a failure: where the file is, the addresses of the names, and who requested the file."""
    published = tuple(challenges(context))
    for challenge in published:
        yield f"the file lies on {challenge.workdir.host} as {context.run.solver.location(challenge)}"
    for one in seen:
        by = "the trace from the root servers" if one.lookup.trace else "the resolver"
        yield f"{one.lookup.name} leads to {listing(one.lookup.addresses)}, says {by}"
    yield from context.seen
    yield from request_notes(context, published, is_ordered=False)
