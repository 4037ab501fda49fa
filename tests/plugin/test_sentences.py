"""The attempts that `checkallsslcerts --verbose` prints: the exact sentences of cPanel, then our own."""

from __future__ import annotations

import pytest

from pytest_sslaudit.cli.narrator import Wording, plan_sentences
from remediate.model.audit_results import audit_results_of
from remediate.model.options import RunLimits
from tests.support.remediate.cpanel_rows import endpoint, fresh, service
from tests.support.remediate.result_rows import SUMMARY, Row, found, planned, seen

# One line each: the words are those of the documentation of the panel's script.
THEIRS = tuple(
    """\
The system will attempt to replace the self-signed certificate for the cpanel service with a signed certificate from the cPanel Store.
The system will attempt to replace the self-signed certificate for the dovecot service with a signed certificate from the cPanel Store.
The system will attempt to replace the self-signed certificate for the exim service with a signed certificate from the cPanel Store.
The system will attempt to replace the self-signed certificate for the ftp service with a signed certificate from the cPanel Store.
""".splitlines()  # noqa: E501 - exactly as the script prints it
)
WEB = "web1/https://www.example.com:443"


def sentences_of(
    *rows: Row, issuer: str | None = "store", kind: str | None = "store", run_limits: RunLimits | None = None
) -> list[str]:
    """Return the lines about these rows of a run that finished."""
    evidence = audit_results_of([*rows, SUMMARY])
    return list(plan_sentences(planned(*rows, run_limits=run_limits), Wording(evidence, issuer, kind)))


@pytest.mark.parametrize(("kind", "run_limits"), [("store", RunLimits()), ("cpanel", RunLimits(is_panels_issuer=True))])
def test_four_services_have_the_sentences_of_the_cpanel_script(kind: str, run_limits: RunLimits) -> None:
    assert tuple(sentences_of(*fresh(), kind=kind, run_limits=run_limits)[:4]) == THEIRS


def test_sentences_have_the_order_of_the_cpanel_script() -> None:
    assert tuple(sentences_of(*reversed(fresh()))[:4]) == THEIRS


def test_only_replaced_certificates_have_a_sentence() -> None:
    good = (service("exim", leaf="bought"), found(endpoint("exim"), "cert.self-signed", verdict="pass"))
    old = (service("dovecot"), found(endpoint("dovecot"), "cert.expired"))
    lines = sentences_of(*fresh("cpanel", "pure-ftpd"), *good, *old)
    assert lines[0] == THEIRS[0]
    assert lines[1] == (
        "The system will attempt to replace the expired certificate for the dovecot service with a signed certificate "
        "from the cPanel Store."
    )
    assert lines[2] == THEIRS[3]
    assert (
        "Nothing is wrong with the certificate of the exim service, which is valid until 2026-11-20 00:00 UTC." in lines
    )
    assert not [line for line in lines if "attempt" in line and "exim" in line]


@pytest.mark.parametrize(
    ("check", "what"),
    [
        ("cert.revoked", "revoked certificate"),
        ("cert.weak-signature", "certificate with a weak signature algorithm"),
        ("cert.san-missing", "certificate without a Subject Alternative Name extension"),
        ("cert.eku-missing-serverauth", "certificate without Extended Key Usage for server authentication"),
        ("cert.expiring", "certificate that expires soon"),
        ("cert.validity-too-long", "certificate (cert.validity-too-long)"),
    ],
)
def test_every_other_condition_has_its_own_sentence(check: str, what: str) -> None:
    lines = sentences_of(service("exim"), found(endpoint("exim"), check, remedy="reissue"))
    assert lines[0] == (
        f"The system will attempt to replace the {what} for the exim service with a signed certificate from the cPanel "
        "Store."
    )


def test_service_without_a_certificate_has_a_sentence() -> None:
    lines = sentences_of(service("exim", (), None), found(endpoint("exim"), "svc.certificate-missing"))
    assert lines[0] == (
        "The system will attempt to install a signed certificate from the cPanel Store for the exim service."
    )


def test_other_issuer_is_named() -> None:
    lines = sentences_of(*fresh("exim"), issuer="lets-encrypt", kind="acme")
    assert lines[0].endswith("for the exim service with a signed certificate from the issuer lets-encrypt.")


def test_certificates_of_other_hosts_are_distinguished_by_name() -> None:
    assert sentences_of(seen(WEB), found(WEB, "cert.self-signed"), kind="store")[0] == (
        "The system will attempt to replace the self-signed certificate for the nginx service (www.example.com) with a "
        "signed certificate from the issuer store."
    )


@pytest.mark.parametrize(
    ("check", "what"),
    [
        ("chain.incomplete", "complete the certificate chain"),
        ("svc.disk-vs-wire", "have the installed certificate served"),
        ("key.permissions", "correct who may read the key files"),
    ],
)
def test_repair_without_an_issuer_names_no_issuer(check: str, what: str) -> None:
    assert sentences_of(seen(WEB), found(WEB, check))[0] == (
        f"The system will attempt to {what} for the nginx service (www.example.com)."
    )


def test_verbose_lines_say_how_and_why_the_repair_is_done() -> None:
    lines = sentences_of(*fresh("exim"))
    assert "  because web1/smtps://server.example.com:465: cert.self-signed: cert.self-signed it is" in lines
    steps = "preconditions, self-test, key, order, collect, install, reload, proof."
    assert [line for line in lines if line.startswith("Case ") and line.endswith(steps)]


def test_waiting_case_is_printed_with_its_reason() -> None:
    lines = sentences_of(*fresh("exim"), issuer=None, kind=None, run_limits=RunLimits(can_order=False))
    assert lines[0] == (
        "The system will not replace the certificate for the exim service now: no issuer is chosen: [remediate] "
        "issuer, and its section [issuer.NAME]."
    )
    assert lines[-1] == "There is nothing that the system will attempt to replace."


def test_finding_without_a_repair_is_printed_with_its_reason() -> None:
    lines = sentences_of(seen(WEB), found(WEB, "tls.old-protocol"))
    assert lines[0] == (
        f"{WEB}: tls.old-protocol: tls.old-protocol it is; not changed: the configuration has to be changed; "
        "a new certificate does not fix this"
    )


def test_disabled_services_have_no_attempt() -> None:
    off = found("web1/", "ops.management-disabled", severity="info", detail={"observed": ["/x"]})
    lines = sentences_of(*fresh("exim"), off)
    assert not [line for line in lines if "will attempt to replace the" in line]
    assert [line for line in lines if "cert.self-signed" in line and "disabled" in line]


def test_inconclusive_results_are_printed_only_without_findings() -> None:
    told_of, silent = "cert.untrusted", endpoint("dovecot")
    unknown = [found(one, told_of, verdict="inconclusive") for one in (endpoint("exim"), silent)]
    lines = sentences_of(service("exim"), service("dovecot"), found(endpoint("exim"), "cert.self-signed"), *unknown)
    assert [line.partition(": ")[0] for line in lines if told_of in line] == [silent]
