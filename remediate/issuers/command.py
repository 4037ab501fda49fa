"""The issuer `command`: a program of the administrator's own, such as an internal CA, which gets a CSR.

docs/issuers.md is its contract. It is called again with the same CSR and case whenever its outcome is not known.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from audit.config import ConfigSection
from audit.json_codec import BadRecord, from_table
from audit.redaction import Secrets
from audit.text import one_line
from remediate.hosts.command import CommandResult
from remediate.hosts.local_command import LocalCommand, run_local, untrusted_reason
from remediate.issuers.base import BadIssuer, IssuerConfig, IssuerFault, IssuerRun, Order, OrderRef, OrderRequest
from remediate.model.authorization import Authorization, Challenge
from remediate.pki.csr import Csr
from remediate.pki.issued_chain import IssuedPem
from remediate.pki.secret_scan import find_secret

TRY_LATER: Final = 75  # EX_TEMPFAIL of sysexits.h
_MAX_TEXT: Final = 500  # characters of a text that are passed on
_MAX_CHALLENGES: Final = 200
_MAX_CONTENT: Final = 4096  # characters of a part of a challenge
_MAX_RETRY_AFTER_S: Final = 86_400  # a nightly run calls it again anyway


@dataclass(frozen=True, slots=True)
class _WrittenChallenge:
    """A challenge as the program writes it."""

    type: str
    identifier: str
    token: str
    content: str


@dataclass(frozen=True, slots=True)
class _Pending:
    """The JSON object of a program that has not issued yet."""

    status: str
    challenges: tuple[_WrittenChallenge, ...] = ()
    retry_after_s: int | None = None
    message: str = ""


@dataclass(frozen=True, slots=True)
class CommandIssuer:
    """The program, its arguments and its time limit. Nothing is kept between calls."""

    arguments: tuple[str, ...]
    timeout_s: float
    stop: threading.Event

    def place(self, request: OrderRequest) -> Order | IssuerFault:
        """Run the program, and return what it issued or what it requires first."""
        command = self.to_place(request)
        return read_result(run_local(command, self.stop), request)

    def fetch(self, ref: OrderRef) -> Order | IssuerFault:
        """Run the program again with the same CSR and case."""
        return self.place(ref.request)

    def accept(self, challenge: Challenge) -> None:
        """Do nothing: the program looks when it is run again."""

    def finalize(self, order: Order, csr: Csr) -> Order:
        """Return the order: the program has its CSR."""
        del csr
        return order

    def download(self, order: Order) -> tuple[IssuedPem, ...]:
        """Return what the program printed."""
        return order.issued

    def cancel(self, ref: OrderRef) -> None:
        """Do nothing: the program keeps no orders that we know of."""

    def to_find(self, csr: Csr) -> None:
        """Return nothing: an order is not looked for, it is placed again."""

    def to_place(self, request: OrderRequest) -> LocalCommand:
        """Return the call of the program."""
        variables = (
            ("SSLAUDIT_NAMES", ",".join(request.names)),
            ("SSLAUDIT_CASE", request.case_id),
            ("SSLAUDIT_LIFETIME_DAYS", str(request.lifetime.days)),
        )
        why = "run the program that issues the certificate"
        return LocalCommand(why, self.arguments, variables, request.csr.pem, self.timeout_s)

    def to_fetch(self, ref: OrderRef) -> None:
        """Return nothing: the program is run again only if it prints that the order is pending."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandConfig(IssuerConfig):
    """`[issuer.NAME]` of the kind `command`."""

    validates_by_file: ClassVar[bool] = False
    command: tuple[str, ...]  # the program with its arguments
    timeout_s: float = 300.0  # after how many seconds it is killed

    def open(self, section: ConfigSection, run: IssuerRun) -> CommandIssuer:
        """Return the issuer; raises BadIssuer if the program is missing, or if other users can change it."""
        del section
        if self.timeout_s <= 0:
            raise BadIssuer(f"timeout_s is {self.timeout_s:g}; write a number of seconds above 0")
        if reason := untrusted_reason(self.command):
            raise BadIssuer(f"command: {reason}")
        return CommandIssuer(self.command, self.timeout_s, run.stop)


def read_result(result: CommandResult, request: OrderRequest) -> Order | IssuerFault:
    """Return what the end of the program and its output mean; what it issued is judged later."""
    if result.status is None:
        return IssuerFault("unreachable", f"the outcome is unknown: {result.error}")
    if result.status == TRY_LATER:
        return IssuerFault("busy", result.error or "the program requests a later retry (exit status 75)")
    if result.status != 0:
        return IssuerFault("refused", f"exit status {result.status}: {result.error or 'no reason on standard error'}")
    if not result.output.lstrip().startswith("{"):
        return Order(_id(request), "valid", issued=(IssuedPem(result.output),))
    try:
        return _pending(json.loads(result.output), request)
    except (ValueError, RecursionError) as error:
        return IssuerFault("broken", f"the JSON that the program printed: {one_line(str(error), _MAX_TEXT)}")


def _pending(value: Any, request: OrderRequest) -> Order:  # noqa: ANN401 - any JSON value
    """Return the pending order that the program describes; raises BadRecord."""
    pending = from_table(_Pending, value)
    if pending.status != "pending":
        raise BadRecord(f"status is {pending.status!r}; write 'pending', or print the certificate instead of JSON")
    if len(pending.challenges) > _MAX_CHALLENGES:
        raise BadRecord(f"{len(pending.challenges)} challenges (limit {_MAX_CHALLENGES})")
    if pending.retry_after_s is not None and pending.retry_after_s < 0:
        raise BadRecord(f"retry_after_s is {pending.retry_after_s}; write 0 or more seconds")
    retry_after_s = None if pending.retry_after_s is None else min(pending.retry_after_s, _MAX_RETRY_AFTER_S)
    return Order(
        _id(request),
        "pending",
        one_line(pending.message, _MAX_TEXT),
        retry_after_s=retry_after_s,
        authorizations=tuple(_authorizations(pending.challenges, request.names)),
    )


def _authorizations(challenges: Iterable[_WrittenChallenge], names: tuple[str, ...]) -> Iterable[Authorization]:
    """Yield an authorization for each challenge, because all of them have to be presented; raises BadRecord."""
    for challenge in challenges:
        if not {challenge.identifier, f"*.{challenge.identifier}"}.intersection(names):
            raise BadRecord(f"a challenge is for {challenge.identifier!r:.80}, which is not one of the names")
        for part in (challenge.type, challenge.token, challenge.content):
            if len(part) > _MAX_CONTENT or not part.replace("\n", " ").isprintable():
                raise BadRecord(f"a challenge of {challenge.identifier} has a part that is too long or not printable")
            if secret := find_secret(part.encode(), Secrets()):
                raise BadRecord(f"a challenge of {challenge.identifier} holds {secret}, which must not be presented")
        value = Challenge(challenge.type, challenge.identifier, challenge.token, challenge.content)
        yield Authorization(challenge.identifier, (value,))


def _id(request: OrderRequest) -> str:
    """Return the id of the order, which is the same in every run: the program itself gives none."""
    return request.csr.sha256[:16]
