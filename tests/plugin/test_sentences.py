"""What `checkallsslcerts --verbose` says is attempted: the panel's own sentences to the letter, then ours."""

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
""".splitlines()  # noqa: E501 - to the letter
)
WEB = "web1/https://www.example.com:443"


def told(
    *rows: Row, issuer: str | None = "store", kind: str | None = "store", run_limits: RunLimits | None = None
) -> list[str]:
    """Return the lines about these rows of a run that finished."""
    evidence = audit_results_of([*rows, SUMMARY])
    return list(plan_sentences(planned(*rows, run_limits=run_limits), Wording(evidence, issuer, kind)))


@pytest.mark.parametrize(("kind", "run_limits"), [("store", RunLimits()), ("cpanel", RunLimits(is_panels_issuer=True))])
def test_the_four_services_are_told_of_as_the_panels_own_script_does(kind: str, run_limits: RunLimits) -> None:
    assert tuple(told(*fresh(), kind=kind, run_limits=run_limits)[:4]) == THEIRS


def test_the_order_is_the_panels_whatever_comes_first() -> None:
    assert tuple(told(*reversed(fresh()))[:4]) == THEIRS


def test_only_what_is_self_signed_is_called_so_and_only_what_is_replaced_is_told_of() -> None:
    good = (service("exim", leaf="bought"), found(endpoint("exim"), "cert.self-signed", verdict="pass"))
    old = (service("dovecot"), found(endpoint("dovecot"), "cert.expired"))
    lines = told(*fresh("cpanel", "pure-ftpd"), *good, *old)
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
def test_every_other_condition_has_a_sentence_of_ours(check: str, what: str) -> None:
    lines = told(service("exim"), found(endpoint("exim"), check, remedy="reissue"))
    assert lines[0] == (
        f"The system will attempt to replace the {what} for the exim service with a signed certificate from the cPanel "
        "Store."
    )


def test_a_service_without_a_certificate_is_given_one() -> None:
    lines = told(service("exim", (), None), found(endpoint("exim"), "svc.certificate-missing"))
    assert lines[0] == (
        "The system will attempt to install a signed certificate from the cPanel Store for the exim service."
    )


def test_another_issuer_is_named() -> None:
    lines = told(*fresh("exim"), issuer="lets-encrypt", kind="acme")
    assert lines[0].endswith("for the exim service with a signed certificate from the issuer lets-encrypt.")


def test_elsewhere_the_store_is_nobodys_and_certificates_are_told_apart_by_their_names() -> None:
    assert told(seen(WEB), found(WEB, "cert.self-signed"), kind="store")[0] == (
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
def test_what_needs_no_issuer_names_none(check: str, what: str) -> None:
    assert told(seen(WEB), found(WEB, check))[0] == (
        f"The system will attempt to {what} for the nginx service (www.example.com)."
    )


def test_how_and_why_it_is_done_is_told() -> None:
    lines = told(*fresh("exim"))
    assert "  because web1/smtps://server.example.com:465: cert.self-signed: cert.self-signed it is" in lines
    steps = "preconditions, self-test, key, order, collect, install, reload, proof."
    assert [line for line in lines if line.startswith("Case ") and line.endswith(steps)]


def test_what_waits_is_told_with_its_reason() -> None:
    lines = told(*fresh("exim"), issuer=None, kind=None, run_limits=RunLimits(can_order=False))
    assert lines[0] == (
        "The system will not replace the certificate for the exim service now: no issuer is chosen: [remediate] "
        "issuer, and its section [issuer.NAME]."
    )
    assert lines[-1] == "There is nothing that the system will attempt to replace."


def test_what_is_left_as_it_is_is_told_with_its_reason() -> None:
    lines = told(seen(WEB), found(WEB, "tls.old-protocol"))
    assert lines[0] == (
        f"{WEB}: tls.old-protocol: tls.old-protocol it is; not changed: the configuration has to be changed; "
        "a new certificate does not fix this"
    )


def test_where_services_are_switched_off_nothing_is_attempted() -> None:
    off = found("web1/", "ops.management-disabled", severity="info", detail={"observed": ["/x"]})
    lines = told(*fresh("exim"), off)
    assert not [line for line in lines if "will attempt to replace the" in line]
    assert [line for line in lines if "cert.self-signed" in line and "disabled" in line]


def test_what_could_not_be_told_is_said_only_where_nothing_else_is_found() -> None:
    told_of, silent = "cert.untrusted", endpoint("dovecot")
    unknown = [found(one, told_of, verdict="inconclusive") for one in (endpoint("exim"), silent)]
    lines = told(service("exim"), service("dovecot"), found(endpoint("exim"), "cert.self-signed"), *unknown)
    assert [line.partition(": ")[0] for line in lines if told_of in line] == [silent]
