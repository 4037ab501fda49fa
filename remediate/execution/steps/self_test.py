"""The step `self-test`: the proof that the names are ours lies on every host that serves them, and can be had there.

It knows hosts, docroots and addresses of names; what the proof is and how it is judged is the validator's.
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
from remediate.execution.steps.access_log_notes import visits
from remediate.execution.steps.base import Satisfied, StepBlocked, done, said
from remediate.execution.steps.key import preview_key, request_of
from remediate.model.case import Validation
from remediate.model.causes import Cause

ORDERED = ("pending-validation", "pending-review", "issued")


class SelfTest:
    """Where an order is under way it is the CA that has to find the proof: what we see makes no difference."""

    def check(self, context: CaseContext, subject: str) -> Satisfied | None:
        """Return that the proof was found, or that there is an order already."""
        del subject  # it is for the whole case
        orders = context.orders.unused(context.case.id)
        if orders and orders[-1].status in ORDERED:
            return Satisfied("there is an order already")
        return (
            Satisfied(sentence(("the CA would find it at every address", *context.seen)))
            if context.is_published
            else None
        )

    def apply(self, context: CaseContext, subject: str) -> None:
        """Put the proof there and look for it at every address of every name; nothing where a name leads nowhere."""
        del subject
        found = [(name, _look_up(context, name)) for name in context.case.validated_on]
        publish(context)
        seen = [_Seen(name, led, _looks(context, name, led), _first_address_only(context, name)) for name, led in found]
        context.seen = tuple(note for one in seen for note in one.notes)
        if bad := [look for one in seen for look in one.bad]:
            raise StepBlocked(Cause(f"dcv.{bad[0].verdict}"), "\n".join((*map(str, bad), *_told(context, seen))))

    def preview(self, state: PreviewState, subject: str) -> Iterator[Action | Remark]:
        """Yield the commands that put the file there, unless there is an order already."""
        if self.check(state.context, subject) is None:
            yield from preview_publication(state)
            yield Remark("the file is then fetched from every address of each name, as the CA will")


@dataclass(frozen=True, slots=True)
class _Seen:
    """What was seen of a name; `first_address_only` where its first address does, as in the panel's own script."""

    name: Validation
    led: LookUp
    looks: tuple[ProbeResult, ...]
    first_address_only: bool

    @property
    def first(self) -> ProbeResult | None:
        """The look that decides; None where all do, or it could not be had from here."""
        place = self.led.first_address if self.first_address_only else None
        return next((one for one in self.looks if one.address == place and one.verdict != "unseen"), None)

    @property
    def bad(self) -> tuple[ProbeResult, ...]:
        """What stands in the way. What cannot be seen from here does not where the file is seen elsewhere."""
        deciding = (self.first,) if self.first else self.looks
        bad = tuple(look for look in deciding if look.verdict not in ("good", "unseen"))
        return bad or (() if any(look.verdict == "good" for look in deciding) else deciding)

    @property
    def notes(self) -> tuple[str, ...]:
        """What is told beside, a clause each."""
        unseen = (f"{one.name} at {one.address}: {one.detail}" for one in self.looks if one.verdict == "unseen")
        return (*(f"{self.led.name}: {note}" for note in self.led.notes), *unseen, *self._others())

    def _others(self) -> Iterator[str]:
        """Yield that one address decides and how the others answer, by both worlds' rules."""
        if self.first and len(self.looks) > 1:
            others = (one for one in self.looks if one is not self.first)
            told = [f"{one.address}: {one.verdict}: {one.detail}" for one in others]
            yield f"{self.led.name}: the first address of the trace, {self.first.address}, decides, as the panel has it"
            yield f"a CA of today may ask at any address, and from several places ({sentence(told)})"


def publish(context: CaseContext) -> None:
    """Put the proof where the CA will look for it, on all hosts or, where one has no place for it, on none.

    Raises Stuck.
    """
    for challenge in tuple(challenges(context)):
        done(context, context.run.solver.put(challenge))
        context.log(f"the file lies on {challenge.workdir.host} as {context.run.solver.place(challenge)}")
    context.is_published = True


def preview_publication(state: PreviewState) -> Iterator[Action]:
    """Yield what `publish` runs. The first file needs the request, and no file is put if a host has no place for it."""
    found = list[Challenge]()
    for challenge in challenges(state.context):
        yield from preview_key(state)
        found.append(challenge)
    yield from map(state.context.run.solver.put, found)
    state.context.is_published = True


def withdraw(context: CaseContext) -> tuple[str, ...]:
    """Take the proof away again, and return where it could not be: it harms nobody, and stops no repair."""
    try:
        left = [(one, context.execute(context.run.solver.clear(one))) for one in placed(context)]
    except StepBlocked as why:
        return (str(why),)
    return tuple(f"{one.workdir.host}: {said(result)}" for one, result in left if not result.ok)


def preview_withdrawal(state: PreviewState) -> Iterator[Action]:
    """Yield what `withdraw` runs."""
    with suppress(StepBlocked):
        yield from map(state.context.run.solver.clear, placed(state.context))


def unique_value(context: CaseContext) -> str:
    """Return what makes the proof of this request its own: the same in every run, as the order has to be."""
    return request_of(context).sha256[:20]


def challenges(context: CaseContext) -> Iterator[Challenge]:
    """Yield what has to be proven, for each name on each of its hosts; raises Stuck where that cannot be."""
    for name in context.case.validated_on:
        for host in name.hosts:
            yield _challenge(context, name.name, host)


def placed(context: CaseContext) -> Iterator[Challenge]:
    """Yield what may lie on hosts; where there is no place for it nothing was put."""
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
            Cause.DCV_NO_DOCROOT, f"it is not known from which folder {host} serves http://{name}/: {docroot}"
        )
    return Challenge(
        context.workdir_on(host), name, request_of(context), unique_value(context), docroot.folder, docroot.below
    )


def _look_up(context: CaseContext, name: Validation) -> LookUp:
    """Return where a name leads; raises Stuck where it leads nowhere, for us or for the CA."""
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


def _looks(context: CaseContext, name: Validation, led: LookUp) -> tuple[ProbeResult, ...]:
    """Return what is seen at every address of a name, whichever of its hosts that is."""
    run = context.run
    known = [run.host(host).addresses for host in name.hosts]
    own = frozenset[str]().union(*known) if all(known) else frozenset[str]()
    vantage = ProbeSettings(run.network.http_port, own_addresses=own, stop=run.stop)
    looks = run.solver.self_test(_challenge(context, name.name, name.hosts[0]), led.addresses, vantage)
    for look in looks:
        run.log("\n".join(filter(None, (look.asked, str(look)))))
    if len(looks) < len(led.addresses):
        raise StepBlocked(
            Cause.RUN_STOPPED, f"the run was stopped; seen of {name.name}: {listing(looks)}", ended="interrupted"
        )
    return looks


def _first_address_only(context: CaseContext, name: Validation) -> bool:
    return all(context.run.host(host).first_address_only for host in name.hosts)


def _told(context: CaseContext, seen: Sequence[_Seen]) -> Iterator[str]:
    """Yield what helps whoever has to mend it: where the file lies, where the names lead, and who got through to it."""
    proofs = tuple(challenges(context))
    for proof in proofs:
        yield f"the file lies on {proof.workdir.host} as {context.run.solver.place(proof)}"
    for one in seen:
        by = "the trace from the root servers" if one.led.trace else "the resolver"
        yield f"{one.led.name} leads to {listing(one.led.addresses)}, says {by}"
    yield from context.seen
    yield from visits(context, proofs, is_ordered=False)
