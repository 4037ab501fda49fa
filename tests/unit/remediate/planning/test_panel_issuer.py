"""Tests of the panel's own program as the chosen issuer: it needs no address, no token and no section."""

from __future__ import annotations

from pathlib import Path

import pytest

from audit.config import BadConfiguration, read_configuration
from audit.x509.path.trust_store import TrustAnchors
from remediate.issuers import IssuerFault
from remediate.model.options import RunOptions
from remediate.wiring.sections import configured_issuer
from tests.support.store.order_requests import request

CHOSEN = '[remediate]\nissuer = "own"\n[issuer.own]\nkind = "cpanel"\n'
STORE = '[remediate]\nissuer = "own"\n[issuer.own]\nkind = "store"\n'


def options(folder: Path, text: str, issuer: str | None = None) -> RunOptions:
    """Return the assignment of a run with this configuration."""
    (folder / "sslaudit.toml").write_text(text)
    return RunOptions(read_configuration(folder, None), folder, TrustAnchors({}), "a test", issuer=issuer)


@pytest.mark.parametrize(("text", "issuer"), [(CHOSEN, None), ("", "cpanel")], ids=["a section", "no section"])
def test_panel_issuer_is_chosen_by_section_or_name_and_refuses_orders(
    tmp_path: Path, text: str, issuer: str | None
) -> None:
    chosen = options(tmp_path, text, issuer)
    assert (chosen.run_limits.can_order, chosen.run_limits.is_panels_issuer) == (True, True)
    fault = configured_issuer(chosen).client.place(request("server.example.com"))
    assert isinstance(fault, IssuerFault)
    assert (fault.kind, "panel's own services alone" in fault.detail) == ("refused", True)


def test_section_named_cpanel_may_be_of_another_kind(tmp_path: Path) -> None:
    assert not options(tmp_path, STORE.replace("own", "cpanel")).run_limits.is_panels_issuer


@pytest.mark.parametrize("line", ['base_url = "https://x/api"', 'token = { file = "token" }'])
def test_unused_key_in_the_section_of_the_panel_is_refused(tmp_path: Path, line: str) -> None:
    with pytest.raises(
        BadConfiguration, match=rf"\[issuer.own\]: unknown key '{line.split(maxsplit=1)[0]}'; known are key, kind"
    ):
        configured_issuer(options(tmp_path, CHOSEN + line))


def test_store_issuer_needs_base_url_and_token(tmp_path: Path) -> None:
    with pytest.raises(BadConfiguration, match=r"\[issuer.own\]: the key 'base_url' is missing"):
        configured_issuer(options(tmp_path, STORE))
    with pytest.raises(BadConfiguration, match=r"\[issuer.own\]: the key 'token' is missing"):
        configured_issuer(options(tmp_path, f'{STORE}base_url = "https://x/api"\n'))


def test_error_about_an_unknown_kind_lists_cpanel(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("secret\n")
    (tmp_path / "token").chmod(0o600)
    whole = STORE.replace('"store"', '"acme"') + 'base_url = "https://x/api"\ntoken = { file = "token" }\n'
    with pytest.raises(BadConfiguration, match="known are command, cpanel, store"):
        configured_issuer(options(tmp_path, whole))
