"""The kinds of steps we know how to take, by repair: a new one is one file beside this and one row here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from remediate.model.case import Repair, StepKind
from remediate.steps.collect import Collect
from remediate.steps.fetch import Fetch
from remediate.steps.install import Install
from remediate.steps.key import Key
from remediate.steps.modes import Answers, Modes
from remediate.steps.order import Ordering
from remediate.steps.preconditions import Preconditions
from remediate.steps.proof import Proof
from remediate.steps.reload import Reload, Switch
from remediate.steps.renew import Renew
from remediate.steps.self_test import SelfTest
from remediate.steps.step import So, Stuck, Taking

_ISSUANCE: Final[Mapping[StepKind, Taking]] = {
    "modes": Modes(),
    "preconditions": Preconditions(),
    "self-test": SelfTest(),
    "key": Key(),
    "order": Ordering(),
    "collect": Collect(),
    "install": Install(),
    "reload": Switch(),
    "proof": Proof(),
}
TAKINGS: Final[Mapping[Repair, Mapping[StepKind, Taking]]] = {
    Repair.REKEY: _ISSUANCE,
    Repair.REISSUE: _ISSUANCE,
    Repair.RECHAIN: {
        "modes": Modes(),
        "preconditions": Preconditions(),
        "fetch": Fetch(),
        "install": Install(),
        "reload": Switch(),
        "proof": Proof(),
    },
    Repair.RUN_OWNER: {"modes": Modes(), "renew": Renew(), "reload": Reload(), "proof": Proof()},
    Repair.RELOAD: {"modes": Modes(), "reload": Reload(), "proof": Proof()},
    Repair.HOST: {"modes": Modes(), "proof": Answers()},
}
"""How each step of a repair is taken."""

__all__ = ["TAKINGS", "So", "Stuck", "Taking"]
