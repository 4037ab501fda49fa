"""A case: one certificate on one host, its findings, the repair, and its steps with their states."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal

AGENT: Final = "cpanel"
"""The panel as a renewal agent, as an issuer, and as the owner of a certificate."""
UNKNOWN_SERVICE: Final = (
    "the service is unknown, so only the known services with this certificate are repaired. Install the new "
    "certificate there, or declare files and reload command in [[service]]"
)
"""Why an endpoint that serves the certificate of a case is left out of it."""
UNKNOWN_ALONE: Final = (
    "the service is unknown. What a container or a chroot serves is not repaired from its host: audit and repair it in "
    "there (--hosts podman://NAME). Else install a new certificate, or declare files and reload command in [[service]]"
)
"""Why a certificate that only unknown services serve is not repaired."""

StepKind = Literal[
    "modes",  # owner and mode of the key files
    "preconditions",  # nothing that would make an order fail, or a certificate that could not be installed
    "self-test",  # the DCV file, fetched as the CA will
    "key",  # key and CSR, made on the host
    "order",
    "collect",  # what was issued, judged before a service is touched
    "fetch",  # the missing intermediates, judged likewise
    "renew",  # the renewal of the agent that owns the certificate
    "install",
    "reload",
    "proof",  # observed again, on every address
]
StepState = Literal["planned", "intended", "done", "uncertain", "failed", "undone"]


class Repair(StrEnum):
    """The repairs of a certificate, the strongest first: each includes the effect of those below it."""

    REKEY = "rekey"
    REISSUE = "reissue"
    RUN_OWNER = "run-owner"
    RECHAIN = "rechain"
    RELOAD = "reload"
    HOST = "host"

    @property
    def rank(self) -> int:
        """0 for the strongest."""
        return list(Repair).index(self)


_ISSUANCE: Final[tuple[StepKind, ...]] = (
    "preconditions", "self-test", "key", "order", "collect", "install", "reload", "proof",
)  # fmt: skip
STEPS: Final[Mapping[Repair, tuple[StepKind, ...]]] = {
    Repair.REKEY: _ISSUANCE,
    Repair.REISSUE: _ISSUANCE,
    Repair.RUN_OWNER: ("renew", "reload", "proof"),
    Repair.RECHAIN: ("preconditions", "fetch", "install", "reload", "proof"),
    Repair.RELOAD: ("reload", "proof"),
    Repair.HOST: ("modes", "proof"),
}
EACH: Final[Mapping[StepKind, Literal["service", "endpoint"]]] = {
    "install": "service",
    "reload": "service",
    "proof": "endpoint",
}
"""What a step is repeated for, each with its own retries; other steps are taken once for the case."""

VALIDATED: Final = frozenset({Repair.REKEY, Repair.REISSUE})
"""Repairs for which the CA validates the names."""

SWITCHED: Final = frozenset(repair for repair, kinds in STEPS.items() if "install" in kinds)
"""Repairs that stage a version of the files and switch to it, so that they can be rolled back."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step, for one service or endpoint, or without a subject for the whole case."""

    kind: StepKind
    subject: str = ""
    state: StepState = "planned"

    @property
    def name(self) -> str:
        """The name of the step in the journal and in messages; unique within a case."""
        return f"{self.kind} {self.subject}".strip()


@dataclass(frozen=True, slots=True)
class StepDetail:
    """The detail of a step's new state: a text for a person, and the data that later steps need."""

    text: str = ""
    request_lines: tuple[str, ...] = ()  # a line for each logged request for the challenge file
    leaf_sha256: str | None = None  # of the certificate that will be installed
    back_to: str | None = None  # the version that a rollback restores
    published_spki_sha256: str | None = None  # of the new key whose TLSA record is in the zone

    @property
    def note(self) -> str:
        """The text and the lines below it."""
        return "\n".join((self.text, *self.request_lines))


NOTHING_SEEN: Final = StepDetail()


@dataclass(frozen=True, slots=True)
class UsedFile:
    """A file that holds the certificate, its key or its chain, and the service that is configured to load it.

    `acl` has the rights of named users and groups and of the file's group (`user:alice:rw-`), as `InstalledFile` does.
    """

    service: str
    path: str
    kind: str  # certificate, key, chain
    owner: str | None = None
    group: str | None = None
    mode: str | None = None
    acl: tuple[str, ...] | None = ()


@dataclass(frozen=True, slots=True, order=True)
class FindingKey:
    """The key of a finding: the check and the endpoint."""

    endpoint: str
    check: str


@dataclass(frozen=True, slots=True)
class Reason:
    """A finding that the case repairs."""

    endpoint: str
    check: str
    severity: str
    remedy: str
    message: str

    @property
    def key(self) -> FindingKey:
        """The key of the finding."""
        return FindingKey(self.endpoint, self.check)


@dataclass(frozen=True, slots=True)
class Validation:
    """A name and the labels of the hosts that serve it. All publish the challenge file: the CA may connect to any."""

    name: str
    hosts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DroppedName:
    """A name of the old certificate that the new one will not have, and why. Every one is reported."""

    name: str
    why: str


@dataclass(frozen=True, slots=True)
class Case:
    """One certificate to repair. `names` are the sorted names that the new certificate must have.

    If verification fails, the old certificate and key are restored, unless the key `is_compromised`.
    """

    id: str
    host: str  # label
    hostspec: str
    repair: Repair
    names: tuple[str, ...]
    services: tuple[str, ...]
    endpoints: tuple[str, ...]
    files: tuple[UsedFile, ...]
    reasons: tuple[Reason, ...]
    steps: tuple[Step, ...]
    validated_on: tuple[Validation, ...] = ()
    dropped_names: tuple[DroppedName, ...] = ()
    old_leaf_sha256: str | None = None
    is_compromised: bool = False
    owner: str | None = None  # the agent whose renewal is run
    is_panel: bool = False  # of a panel's own services, which may have had a certificate each
    old_leaves: tuple[str, ...] = ()  # all of them, if there are several
    left_out: tuple[str, ...] = ()  # endpoints of unknown services that serve the certificate too

    def kind_of(self, step_name: str) -> str:
        """Return the kind of the step of that name, such as `reload`; the name itself if the case has none."""
        return next((step.kind for step in self.steps if step.name == step_name), step_name)

    def name_losses(self, *, is_repaired: bool) -> tuple[str, ...]:
        """Return a line for each name that the new certificate does not have, or will not have, and why."""
        state = "is no longer in the certificate" if is_repaired else "will not be in the new certificate"
        return tuple(f"{dropped.name} {state}: {dropped.why}" for dropped in self.dropped_names)

    @property
    def replaced(self) -> frozenset[str]:
        """The SHA-256 of every leaf that must no longer be served."""
        return frozenset(filter(None, (*self.old_leaves, self.old_leaf_sha256)))


def case_id(host: str, names: Iterable[str], spki_sha256: str | None) -> str:
    """Return the id of a case: the same in each run, whichever services are found, until the certificate changes.

    `names` are those of the old certificate; without one, the name that the endpoint is audited by.
    """
    text = "\n".join((host, spki_sha256 or "", *sorted(set(names))))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def steps_of(
    repair: Repair, services: Iterable[str], endpoints: Iterable[str], *, fix_modes: bool = False
) -> tuple[Step, ...]:
    """Return the steps of a repair in their order; first the modes of key files, if they are to be fixed too."""
    subjects = {"service": tuple(services), "endpoint": tuple(endpoints)}
    kinds = STEPS[repair]
    first: tuple[StepKind, ...] = ("modes",) if fix_modes and "modes" not in kinds else ()
    return tuple(
        Step(kind, subject)
        for kind in (*first, *kinds)
        for subject in (subjects[EACH[kind]] if kind in EACH else ("",))
    )
