"""What each step of a repair would run and ask for, from what the step itself would take: a row for each.

It knows what a step leaves to be done by the next; it runs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Final

from remediate.challenges import Challenge
from remediate.deployment.switch import confirm
from remediate.deployment.versions import stage as lay_ready
from remediate.execution.case_context import NotFoundOnHost
from remediate.execution.dry_run import placeholders
from remediate.execution.dry_run.stage import Action, Stage
from remediate.execution.steps import TAKINGS, StepBlocked, Taking
from remediate.execution.steps.activate import Reload, Switch, switching, taking_up
from remediate.execution.steps.complete_chain import Fetch
from remediate.execution.steps.download import Collect
from remediate.execution.steps.file_modes import Answers, Modes, closing
from remediate.execution.steps.key import Key, making
from remediate.execution.steps.order import Ordering, ordering
from remediate.execution.steps.preconditions import Preconditions, require_known
from remediate.execution.steps.renew import Renew, renewal
from remediate.execution.steps.self_test import SelfTest, challenges, placed
from remediate.execution.steps.stage import Install
from remediate.execution.steps.tlsa import announce, bound, is_asked_for
from remediate.execution.steps.verify import Proof, confirms
from remediate.model.case import VALIDATED, Step


def foretell(stage: Stage, step: Step) -> Iterator[Action]:
    """Yield what a step would run and ask for, as far as it would come; raises Stuck or Unknown where that ends."""
    taking = TAKINGS[stage.site.case.repair][step.kind]
    if type(taking) not in FORETOLD:
        raise NotFoundOnHost(f"what {step.name} would do is not told")
    yield from FORETOLD[type(taking)](stage, step.subject)


def _nothing(stage: Stage, subject: str) -> Iterator[Action]:
    del stage, subject
    yield from ()


def _modes(stage: Stage, subject: str) -> Iterator[Action]:
    del subject
    yield closing(stage.site)


def _preconditions(stage: Stage, subject: str) -> Iterator[Action]:
    """Yield what makes the key if its TLSA record is to be published; raises Stuck as the repair would wait there."""
    del subject
    site = stage.site
    require_known(site)
    if site.case.repair not in VALIDATED or not is_asked_for(site):
        return
    found = bound(site)
    if found.records and not stage.has_request:
        yield from _key(stage, "")
        announce(found)


def _key(stage: Stage, subject: str) -> Iterator[Action]:
    """Yield what makes the request, where it is not there yet."""
    del subject
    stage.knows_request = True
    if not stage.has_request:
        stage.has_request = True
        yield making(stage.site)


def _self_test(stage: Stage, subject: str) -> Iterator[Action]:
    if SelfTest().look(stage.site, subject) is None:
        yield from _publication(stage)


def _publication(stage: Stage) -> Iterator[Action]:
    """Yield what puts the proof in its places, where there are all of them; the first of them asks for the request."""
    wanted = list[Challenge]()
    for challenge in challenges(stage.site):
        yield from _key(stage, "")
        wanted.append(challenge)
    yield from map(stage.site.means.validator.put, wanted)
    stage.site.is_published = True


def _order(stage: Stage, subject: str) -> Iterator[Action]:
    """Yield how the order is looked for, placed where there is none, and looked at."""
    del subject
    issuer, known = stage.issuer, stage.order.order_id if stage.order else None
    if known is None:
        yield from (issuer.to_find(placeholders.request()),) if issuer else ()
        yield from () if stage.site.is_published else _publication(stage)
        yield from (issuer.to_order(ordering(stage.site)),) if issuer else ()
    yield from (issuer.to_collect(known or placeholders.ORDER),) if issuer else ()


def _collect(stage: Stage, subject: str) -> Iterator[Action]:
    """Yield how the order is asked for until it is issued, and what takes the proof away again."""
    del subject
    yield from _collection(stage)
    if stage.order and stage.order.status.startswith("pending") and not stage.site.is_published:
        yield from _publication(stage)
    yield from withdrawal(stage)


def withdrawal(stage: Stage) -> Iterator[Action]:
    """Yield what takes the proof away."""
    with suppress(StepBlocked):
        yield from map(stage.site.means.validator.clear, placed(stage.site))


def _collection(stage: Stage) -> Iterator[Action]:
    """Yield how what was issued is had, once in a run."""
    known = stage.order.order_id if stage.order else None
    if stage.issuer and not stage.is_collected:
        request = stage.issuer.to_collect(known or placeholders.ORDER)
        yield replace(request, why=f"{request.why} until it is issued")
    stage.is_collected = True


def _install(stage: Stage, subject: str) -> Iterator[Action]:
    """Yield what lays a version ready, for the first service of some files."""
    one = stage.site.file_set(subject)
    if stage.site.case.repair in VALIDATED:
        yield from _collection(stage)
    if one.installation.folder not in stage.ready:
        stage.ready.add(one.installation.folder)
        yield lay_ready(one.installation, stage.version(one))


def _switch(stage: Stage, subject: str) -> Iterator[Action]:
    """Yield what starts the switch, for the first service of some files."""
    one = stage.site.file_set(subject)
    if one.installation.folder not in stage.switched:
        stage.switched.add(one.installation.folder)
        yield switching(stage.site, one, stage.name(one))


def _renew(stage: Stage, subject: str) -> Iterator[Action]:
    del subject
    yield renewal(stage.site)


def _reload(stage: Stage, subject: str) -> Iterator[Action]:
    yield taking_up(stage.site, subject)


def _proof(stage: Stage, subject: str) -> Iterator[Action]:
    """Yield what confirms the switch, for the last endpoint of some files."""
    if confirms(stage.site, subject):
        one = stage.site.file_set(subject)
        yield confirm(one.installation, stage.name(one))


FORETOLD: Final[Mapping[type[Taking], Callable[[Stage, str], Iterator[Action]]]] = {
    Modes: _modes,
    Preconditions: _preconditions,
    SelfTest: _self_test,
    Key: _key,
    Ordering: _order,
    Collect: _collect,
    Fetch: _nothing,
    Install: _install,
    Switch: _switch,
    Renew: _renew,
    Reload: _reload,
    Proof: _proof,
    Answers: _nothing,
}
"""What a step would do, by what takes it."""
