"""The table of steps by repair. A new kind of step is one file beside this one and a row here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from remediate.execution.steps.activate import Activate, Reload
from remediate.execution.steps.base import RepairStep, Satisfied, StepBlocked
from remediate.execution.steps.complete_chain import CompleteChain
from remediate.execution.steps.download import Download
from remediate.execution.steps.file_modes import AddressesRespond, FileModes
from remediate.execution.steps.key import MakeKey
from remediate.execution.steps.order import PlaceOrder
from remediate.execution.steps.preconditions import Preconditions
from remediate.execution.steps.renew import Renew
from remediate.execution.steps.self_test import SelfTest
from remediate.execution.steps.stage import StageFiles
from remediate.execution.steps.verify import Verify
from remediate.model.case import Repair, StepKind

_ISSUANCE: Final[Mapping[StepKind, RepairStep]] = {
    "modes": FileModes(),
    "preconditions": Preconditions(),
    "self-test": SelfTest(),
    "key": MakeKey(),
    "order": PlaceOrder(),
    "collect": Download(),
    "install": StageFiles(),
    "reload": Activate(),
    "proof": Verify(),
}
REPAIR_STEPS: Final[Mapping[Repair, Mapping[StepKind, RepairStep]]] = {
    Repair.REKEY: _ISSUANCE,
    Repair.REISSUE: _ISSUANCE,
    Repair.RECHAIN: {
        "modes": FileModes(),
        "preconditions": Preconditions(),
        "fetch": CompleteChain(),
        "install": StageFiles(),
        "reload": Activate(),
        "proof": Verify(),
    },
    Repair.RUN_OWNER: {"modes": FileModes(), "renew": Renew(), "reload": Reload(), "proof": Verify()},
    Repair.RELOAD: {"modes": FileModes(), "reload": Reload(), "proof": Verify()},
    Repair.HOST: {"modes": FileModes(), "proof": AddressesRespond()},
}
"""The step of each kind, by repair."""

__all__ = ["REPAIR_STEPS", "RepairStep", "Satisfied", "StepBlocked"]
