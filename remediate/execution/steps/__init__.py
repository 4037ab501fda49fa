"""The kinds of steps we know how to take, by repair: a new one is one file beside this and one row here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from remediate.execution.steps.activate import Reload, Switch
from remediate.execution.steps.base import RepairStep, Satisfied, StepBlocked
from remediate.execution.steps.complete_chain import Fetch
from remediate.execution.steps.download import Collect
from remediate.execution.steps.file_modes import Answers, Modes
from remediate.execution.steps.key import Key
from remediate.execution.steps.order import Ordering
from remediate.execution.steps.preconditions import Preconditions
from remediate.execution.steps.renew import Renew
from remediate.execution.steps.self_test import SelfTest
from remediate.execution.steps.stage import Install
from remediate.execution.steps.verify import Proof
from remediate.model.case import Repair, StepKind

_ISSUANCE: Final[Mapping[StepKind, RepairStep]] = {
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
REPAIR_STEPS: Final[Mapping[Repair, Mapping[StepKind, RepairStep]]] = {
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

__all__ = ["REPAIR_STEPS", "RepairStep", "Satisfied", "StepBlocked"]
