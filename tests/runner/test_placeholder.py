"""A panel's service that has no certificate of now, and gets none, is kept up with a self-signed one: that is told."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from audit.observation import FileFault, InstalledFile
from remediate.case import Case, Repair, UsedFile, steps_of
from remediate.installers.cpanel import Panel
from remediate.issuers import IssuerFault, Order, OrderRequest
from remediate.journal import Journal
from remediate.runner import Pace, repair
from remediate.site import Means, Waits
from remediate.walk import Ending
from tests.installers import whmapi1
from tests.lab.ca import Leaf, issue
from tests.lab.issuance import to_pem
from tests.runner.places import AUTHORITY, DAY, NOW, Ca, Place, means_of, running_place
from tests.runner.premiere import told

PACE = Pace(chance=lambda: 0.0)
WAITS = Waits(confirmation_s=20, proof_s=5.0, issuance_s=0.1, look_s=0.05)
REFUSED = IssuerFault("refused", "the account is closed")
RESTART = (
    "#!/bin/sh\ncd {root}/var/cpanel/ssl/exim && cat exim.crt exim.key >{served}.new && mv {served}.new {served}\n"
)


class SlowCa(Ca):
    """A CA that never decides."""

    def order(self, request: OrderRequest) -> Order | IssuerFault:
        """Take the order, and leave it at that."""
        order = Ca.order(self, request)
        assert isinstance(order, Order)
        self.orders[request.csr.sha256] = replace(order, status="pending-validation", certificate_pem=None)
        return self.orders[request.csr.sha256]


@dataclass(frozen=True, slots=True)
class Exim:
    """Exim of a panel whose root is a folder, in front of what its restart took up last."""

    root: Path
    place: Place

    @property
    def certificate(self) -> Path:
        """The file of its certificate."""
        return self.root / "var/cpanel/ssl/exim/exim.crt"

    @property
    def calls(self) -> list[str]:
        """What WHM was asked to change."""
        calls = self.root / "var/cpanel/whmapi1.calls"
        known = calls.read_text().splitlines() if calls.exists() else []
        return [one for one in known if not one.startswith("fetch")]

    def install(self, begins: int, days: int) -> None:
        """Write a certificate of the CA, and its key."""
        names = (self.place.endpoint.name,)
        identity = issue(Leaf(names[0], names, NOW + begins * DAY, days * DAY), AUTHORITY.intermediate)
        self.certificate.write_text(to_pem(identity.certificate, AUTHORITY.intermediate.certificate))
        key = identity.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        self.certificate.with_suffix(".key").write_text(key)

    def case(self, kind: Repair = Repair.REISSUE, **changes: Any) -> Case:  # noqa: ANN401 - any field
        """Return the case of its certificate."""
        endpoint = str(self.place.endpoint)
        files = (UsedFile("exim", str(self.certificate), "certificate"),
                 UsedFile("exim", str(self.certificate.with_suffix(".key")), "key"))  # fmt: skip
        steps = steps_of(kind, ("exim",), (endpoint,))
        whole = self.place.case(kind, id="panel", services=("exim",), files=files, steps=steps, is_panel=True)
        return replace(whole, **changes)

    def means(self, journal: Journal, ca: Ca, **changes: Any) -> Means:  # noqa: ANN401 - any field
        """Return what a run may use here."""
        target = self.place.target()
        assert target.server is not None
        pem = self.certificate.read_bytes() if self.certificate.exists() else b""
        chain = tuple(one.public_bytes(Encoding.DER) for one in x509.load_pem_x509_certificates(pem)) if pem else ()
        fault: FileFault | None = None if pem else "missing"
        files = (InstalledFile(str(self.certificate), "certificate", chain_der=chain, fault=fault),
                 InstalledFile(str(self.certificate.with_suffix(".key")), "key", fault=fault))  # fmt: skip
        server = replace(target.server, service="exim", panel_service="exim", files=files)
        targets = {str(self.place.endpoint): replace(target, server=server)}
        given = {"targets": targets, "panels": {self.place.label: Panel(str(self.root), 20)}, "waits": WAITS}
        return means_of(journal, ca, self.place, **(given | changes))


@pytest.fixture
def exim(tmp_path: Path) -> Iterator[Exim]:
    """Let it serve a certificate that has expired."""
    for folder in ("usr/local/cpanel/bin", "scripts", "var/cpanel/ssl/exim"):
        (tmp_path / folder).mkdir(parents=True)
    shutil.copy(whmapi1.__file__, tmp_path / "usr/local/cpanel/bin/whmapi1")
    with running_place(tmp_path / "a", "a") as place:
        script = tmp_path / "scripts/restartsrv_exim"
        script.write_text(RESTART.format(root=tmp_path, served=place.folder / "served"))
        script.chmod(0o755)
        running = Exim(tmp_path, place)
        running.install(-90, 60)
        yield running


def walked(exim: Exim, journal: Journal, ca: Ca, **changes: Any) -> Ending:  # noqa: ANN401 - any field of the means
    [ending] = repair([exim.case()], exim.means(journal, ca, **changes), PACE)
    return ending


def is_self_signed(exim: Exim) -> bool:
    served = x509.load_pem_x509_certificate(exim.place.served.encode())
    return served.issuer == served.subject


def test_what_has_expired_is_replaced_by_a_placeholder_and_the_case_has_failed(exim: Exim, journal: Journal) -> None:
    ending = walked(exim, journal, Ca(faults=[REFUSED]))
    assert (ending.kind, ending.cause) == ("failed", "issuer.refused")
    assert "a self-signed placeholder was installed for exim" in ending.note
    assert (is_self_signed(exim), exim.calls) == (True, ["reset_service_ssl_certificate exim arguments"])
    outcome, [attempt] = journal.outcome("panel"), journal.ledger.attempts("panel")
    assert outcome is not None
    assert "placeholder was installed" in outcome.note
    assert "placeholder was installed" in attempt.note


def test_the_next_night_finds_it_there_and_installs_no_other(exim: Exim, journal: Journal) -> None:
    walked(exim, journal, Ca(faults=[REFUSED]))
    served = exim.place.served
    [ending] = repair([exim.case(id="again")], exim.means(journal, Ca(faults=[REFUSED])), PACE)
    assert (ending.kind, "placeholder" in ending.note) == ("failed", False)
    assert (exim.place.served, len(exim.calls)) == (served, 1)


def test_while_the_issuer_is_still_working_the_service_is_kept_up_too(exim: Exim, journal: Journal) -> None:
    ending = walked(exim, journal, SlowCa())
    assert (ending.kind, ending.cause, is_self_signed(exim)) == ("pending", "issuer.pending", True)


def test_where_there_is_none_at_all_the_service_gets_one(exim: Exim, journal: Journal) -> None:
    exim.certificate.unlink()
    walked(exim, journal, Ca(faults=[REFUSED]))
    assert (is_self_signed(exim), len(exim.calls)) == (True, 1)


def test_a_certificate_that_has_not_expired_is_never_taken_away(exim: Exim, journal: Journal) -> None:
    exim.install(-90, 91)
    before = exim.certificate.read_bytes()
    assert "placeholder" not in walked(exim, journal, Ca(faults=[REFUSED])).note
    assert (exim.certificate.read_bytes(), exim.calls) == (before, [])


def test_nor_is_one_that_somebody_has_installed_in_the_meantime(exim: Exim, journal: Journal) -> None:
    means = exim.means(journal, Ca(faults=[REFUSED]))
    exim.install(-1, 90)
    [ending] = repair([exim.case()], means, PACE)
    assert ("placeholder" in ending.note, exim.calls) == (False, [])


def test_a_host_without_the_panel_is_left_as_it_is(exim: Exim, journal: Journal) -> None:
    ending = walked(exim, journal, Ca(faults=[REFUSED]), panels={})
    assert (ending.kind, "placeholder" in ending.note, exim.calls) == ("failed", False, [])


def test_what_the_panel_refuses_is_told(exim: Exim, journal: Journal) -> None:
    program = exim.root / "usr/local/cpanel/bin/whmapi1"
    means = exim.means(journal, Ca(faults=[REFUSED]))
    program.write_text('#!/bin/sh\necho \'{"data":{},"metadata":{"result":0,"reason":"No license."}}\'\n')
    [ending] = repair([exim.case(Repair.RUN_OWNER, owner="dehydrated")], means, PACE)
    assert (ending.kind, ending.cause) == ("failed", "owner.not-run")
    assert "no placeholder came to be in use for exim" in ending.note
    assert "WHM refuses: No license." in ending.note


def test_a_rehearsal_says_that_it_could_come_to_that(exim: Exim, journal: Journal) -> None:
    words = "where none is had, the panel gives exim a self-signed one"
    assert words in told(exim.case(), exim.means(journal, Ca()))
    exim.install(-90, 91)
    assert words not in told(exim.case(), exim.means(journal, Ca()))
