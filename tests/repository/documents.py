"""The generated pages: `python -m tests.repository.documents` writes docs/checks.md, docs/causes.md, docs/reference."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from itertools import groupby
from typing import Final

from audit.checks import Check, built_in_checks, check_of
from audit.policy.controls import CONTROLS
from audit.verdict import Remedy
from remediate.model.causes import Cause
from tests.repository import reference
from tests.repository.examples import example
from tests.support.checkout import CHECKOUT

FIX: Final = "Fix: "
PAGE: Final = CHECKOUT / "docs" / "checks.md"
HEAD: Final = """\
# The checks

{count} checks. Each is a pytest test for each endpoint. A check marked *host* is a test for each host, and one marked
*run* a test for the run. [Select checks](usage.md#select-checks) by id. A policy may give a check another severity or
disable it. A fact that could not be observed neither passes nor fails.

Sources: BR are the CA/Browser Forum's Baseline Requirements for TLS server certificates. [Controls](#controls) are
those of NIST SP 800-53 (rev. 5) and the requirements of PCI DSS (v4.0.1) that a passed check is evidence for. A passed
check alone fulfils no control.

| check | severity | remedy | requirement |
|---|---|---|---|
"""
REMEDIES_HEAD: Final = """
## Remedies

A result names the remedy of its finding. It can differ from that of the check, if the host shows that less is needed.

| remedy | how to fix | `--remediate` |
|---|---|---|
"""
REMEDIES: Final[dict[Remedy, tuple[str, str]]] = {
    Remedy.REISSUE: ("order a new certificate, install it, and reload the service", "does it"),
    Remedy.REKEY: ("make a new key, order a certificate for it, install both, and reload the service", "does it"),
    Remedy.RECHAIN: ("correct the intermediates in the certificate file, and reload the service", "does it"),
    Remedy.RELOAD: ("reload the service", "does it"),
    Remedy.CONFIGURE: ("change the configuration of the service or the website", "does not"),
    Remedy.DNS: ("change the DNS records of the name, or the names in the configuration", "does not"),
    Remedy.HOST: (
        "change the clock, the firewall, or the owner and mode of a file",
        "restricts the mode of key files",
    ),
    Remedy.MANUAL: ("read the message: the fix depends on the case", "does not"),
    Remedy.NONE: ("there is nothing to fix", "does nothing"),
}
SERVICES_HEAD: Final = """
Where each service reads its certificate and key, and how to make it read them again:

| service | certificate and chain | key | reload |
|---|---|---|---|
"""
FILES_OF_SERVICES: Final[dict[str, tuple[str, str, str]]] = {
    "nginx": ("`ssl_certificate` (with the chain)", "`ssl_certificate_key`", "`nginx -s reload`"),
    "apache": ("`SSLCertificateFile` (with the chain)", "`SSLCertificateKeyFile`", "`apachectl graceful`"),
    "haproxy": ("`crt` (with the chain)", "in the file of `crt`, or beside it as `.key`", "`systemctl reload haproxy`"),
    "dovecot": ("`ssl_cert` or `ssl_server_cert_file` (with the chain)", "`ssl_key` or `ssl_server_key_file`",
                "`doveadm reload`"),
    "exim": ("`tls_certificate` (with the chain)", "`tls_privatekey`", "`systemctl reload exim4`"),
    "postfix": ("`smtpd_tls_chain_files`, or `smtpd_tls_cert_file`", "`smtpd_tls_chain_files`, or `smtpd_tls_key_file`",
                "`postfix reload`"),
    "pure-ftpd": ("`CertFile` (with chain and key)", "in the file of `CertFile`", "restart"),
    "vsftpd": ("`rsa_cert_file` (with the chain)", "`rsa_private_key_file`", "restart"),
    "proftpd": ("`TLSRSACertificateFile`, chain in `TLSCertificateChainFile`", "`TLSRSACertificateKeyFile`",
                "`systemctl reload proftpd`"),
}  # fmt: skip
CONTROLS_HEAD: Final = """
## Controls

| control | title | source |
|---|---|---|
"""
CAUSES: Final = CHECKOUT / "docs" / "causes.md"
CAUSES_HEAD: Final = """\
# Causes

Why a certificate is not repaired: {count} stable words, each with what to do now. Reports, notifications, the results
file (`cause`), the plan as JSON (`blocked_by`) and the journal (`attempts.cause`) carry them; programs compare them, as
the sentences beside them may change. The ids of [checks](checks.md) that make a repair wait are causes too. `dcv.other`
and `dns.other` stand for checks of your own with these ids.

| cause | what to do now |
|---|---|
"""


def checks() -> Iterator[tuple[Check, Callable[..., None]]]:
    """Give every built-in check with its function, by id."""
    marked = ((check_of(function), function) for function in built_in_checks())
    yield from sorted(((mark, function) for mark, function in marked if mark), key=lambda pair: pair[0].id)


def page() -> str:
    """Return docs/checks.md."""
    listed = [CheckText(mark, function) for mark, function in checks()]
    remedies = [_cells(f"`{remedy}`", how, ours) for remedy, (how, ours) in REMEDIES.items()]
    services = [_cells(name, *cells) for name, cells in FILES_OF_SERVICES.items()]
    controls = [_cells(control.name, control.title, control.source) for control in CONTROLS]
    return "".join(
        (
            HEAD.format(count=len(listed)), *(text.row for text in listed), *(text.section for text in listed),
            REMEDIES_HEAD, *remedies, SERVICES_HEAD, *services, CONTROLS_HEAD, *controls,
        )
    )  # fmt: skip


class CheckText:
    """The texts of one check: the declaration, the paragraphs of its docstring, and a message."""

    def __init__(self, mark: Check, function: Callable[..., None]) -> None:
        """Split the docstring into requirement, notes and fix; raises ValueError without a fix at its end."""
        paragraphs = [" ".join(part.split()) for part in (inspect.getdoc(function) or "").split("\n\n")]
        self.requirement, *notes, fix = paragraphs
        if not fix.startswith(FIX):
            raise ValueError(f"{mark.id}: the last paragraph of the docstring must begin with {FIX!r}")
        self.notes, self.fix = " ".join(notes), fix.removeprefix(FIX)
        self.mark, self.test = mark, function.__name__

    @property
    def row(self) -> str:
        """The row of the overview."""
        also = " too" if "endpoint" in self.mark.scopes else ""
        scope = "".join(f" (*{scope}*{also})" for scope in self.mark.scopes if scope != "endpoint")
        link = f"[`{self.mark.id}`](#{self.mark.id.replace('.', '')})"
        return _cells(f"{link}{scope}", self.mark.severity, self.mark.remedy, self.requirement)

    @property
    def section(self) -> str:
        """The section about the check."""
        facts = {
            "severity": f"{self.mark.severity}; remedy: [{self.mark.remedy}](#remedies); test: `{self.test}`",
            "source": self.mark.source,
            "controls": briefly(self.mark.controls) or "none, because it is about the audit itself",
            "how to fix": self.fix,
            "example": f"`{example(self.mark.id) or 'a message of pkilint, which differs by its version'}`",
        }
        lines = "".join(f"- {name}: {fact}\n" for name, fact in facts.items())
        return f"\n## {self.mark.id}\n\n{' '.join(filter(None, (self.requirement, self.notes)))}\n\n{lines}"


def causes_page() -> str:
    """Return docs/causes.md as it ought to be."""
    by_family = sorted(Cause, key=lambda cause: cause.family)
    rows = [_cells(f"`{cause}`", cause.advice) for cause in by_family]
    return CAUSES_HEAD.format(count=len(rows)) + "".join(rows)


def briefly(controls: tuple[str, ...]) -> str:
    """Return names of controls with each catalogue named once: `NIST 800-53 SC-8, SC-17; PCI DSS 4.2.1`."""
    groups = groupby(controls, key=lambda name: name.rpartition(" ")[0])
    return "; ".join(f"{book} {', '.join(name.rpartition(' ')[2] for name in names)}" for book, names in groups)


def _cells(*cells: str) -> str:
    return f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    CAUSES.write_text(causes_page(), encoding="utf-8")
    reference.FOLDER.mkdir(exist_ok=True)
    for file, make in reference.PAGES.items():
        file.write_text(make(), encoding="utf-8")
