"""A repair installs the certificate of the product that `[issuer.NAME]` orders, whatever its lifetime is."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509

from audit.config import read_configuration
from audit.x509.path.trust_store import TrustAnchors
from remediate.model.causes import Cause
from remediate.model.options import RunOptions
from remediate.state.journal import Journal
from remediate.wiring.sections import configured_issuer, run_limits
from tests.support.remediate.fake_host.host import repaired
from tests.support.remediate.store_host import StoreHost


def options(folder: Path, store_host: StoreHost, product: str) -> RunOptions:
    """Return the options of a run that orders a product, as a user configures it."""
    (folder / "token").write_text(store_host.store.token)
    (folder / "token").chmod(0o600)
    section = f'kind = "store"\nbase_url = "{store_host.store.base_url}"\ntoken = {{ file = "token" }}\n'
    text = f'[remediate]\nissuer = "s"\n[issuer.s]\n{section}product = "{product}"\n'
    (folder / "sslaudit.toml").write_text(text)
    return RunOptions(read_configuration(folder, None), folder, TrustAnchors({}), "a test")


@pytest.mark.parametrize("days", [47, 90, 199])
def test_certificate_of_the_product_is_installed(
    store_host: StoreHost, journal: Journal, tmp_path: Path, days: int
) -> None:
    chosen = options(tmp_path, store_host, f"{days}-day")
    ending = repaired(store_host.case(), store_host.run(journal, issuer=configured_issuer(chosen)))
    assert ending.ended_as == "proven", ending
    leaf = x509.load_pem_x509_certificate(store_host.host.certificate.read_bytes())
    assert leaf.not_valid_after_utc - leaf.not_valid_before_utc + timedelta(seconds=1) == timedelta(days=days)
    assert run_limits(chosen).lifetime == timedelta(days=days)
    assert "were ordered" not in ending.note


def test_certificate_shorter_than_its_product_is_installed_and_reported(
    store_host: StoreHost, journal: Journal, tmp_path: Path
) -> None:
    store_host.store.misbehave("shorter")
    issuer = configured_issuer(options(tmp_path, store_host, "199-day"))
    ending = repaired(store_host.case(), store_host.run(journal, issuer=issuer))
    assert ending.ended_as == "proven", ending
    assert "the new certificate is valid for 169 days, but 199 days were ordered: it is installed" in ending.note


def test_certificate_that_would_be_renewed_at_once_is_not_installed(
    store_host: StoreHost, journal: Journal, tmp_path: Path
) -> None:
    store_host.store.misbehave("nearly-over")
    before = store_host.host.certificate.read_bytes()
    issuer = configured_issuer(options(tmp_path, store_host, "90-day"))
    ending = repaired(store_host.case(), store_host.run(journal, issuer=issuer))
    assert (ending.ended_as, ending.cause) == ("failed", Cause.ISSUER_ANSWER), ending
    assert "so it would have to be renewed at once: the policy webpki renews" in ending.note
    assert store_host.host.certificate.read_bytes() == before
