"""The docroot of a name is found on each host, or the reason is given."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

import pytest

from audit.observation import HostView
from audit.observation.website import Docroot, Website
from audit.services.declared import DeclaredService, websites_of
from remediate.execution.case_context import CaseContext
from remediate.execution.host_context import docroot_on, unknown_docroot
from remediate.execution.steps.base import StepBlocked
from remediate.execution.steps.self_test import publish
from remediate.model.case import Repair, Validation
from remediate.state.database import open_database
from remediate.state.journal import Journal
from tests.support.remediate.fake_host.host import running_host

AWAY = "nginx handles it by `return 301 https://$host/`, not from a directory"
SITES = (
    Website("nginx", "best", 80, ("0.0.0.0",), ("www.example.com",), is_default=True, docroot=Docroot("/srv/www")),
    Website("nginx", "best", 80, ("0.0.0.0",), ("away.example.com",), why=AWAY),
    Website("nginx", "best", 8080, ("0.0.0.0",), ("www.example.com",), docroot=Docroot("/srv/8080")),
)
WEB1 = HostView("web1", "ssh://web1", websites=SITES)


def test_each_host_has_its_own_docroots_at_the_validation_port() -> None:
    assert docroot_on(WEB1, 80, "www.example.com") == Docroot("/srv/www")
    assert docroot_on(WEB1, 80, "away.example.com") == AWAY
    web2 = HostView("web2", "ssh://web2")
    assert docroot_on(web2, 80, "www.example.com") == "no known web server listens on port 80"
    assert unknown_docroot("www.example.com") == "the host was not inspected in this run"
    assert docroot_on(WEB1, 8080, "www.example.com") == Docroot("/srv/8080")


def test_declared_docroot_applies_to_the_names_of_its_service() -> None:
    service = DeclaredService("gateway", ("https://API.example.com:8443", "https://b.example.com"), docroot="/srv/api")
    view = HostView("web1", "ssh://web1", websites=(*SITES, *websites_of(service)))
    assert docroot_on(view, 80, "api.example.com") == docroot_on(view, 80, "b.example.com") == Docroot("/srv/api")
    assert docroot_on(view, 80, "www.example.com") == Docroot("/srv/www")


@pytest.mark.parametrize(
    ("docroot", "why"),
    [("public", "the docroot 'public' that is declared for gateway is not an absolute path"), (None, None)],
)
def test_declared_docroot_must_be_an_absolute_path(docroot: str | None, why: str | None) -> None:
    found = websites_of(DeclaredService("gateway", ("https://api.example.com",), docroot=docroot))
    assert [context.why for context in found] == ([why] if why else [])


def test_name_without_a_docroot_has_a_reason(tmp_path: Path) -> None:
    with Journal(open_database(tmp_path / "state")) as journal, running_host(tmp_path / "web1", "web1") as host:
        case = host.case(Repair.REISSUE, validated_on=(Validation("away.example.com", ("web1",)),))
        run = host.run(journal, docroot_of=partial(docroot_on, WEB1, 80))
        with pytest.raises(
            StepBlocked, match=f"root of http://away.example.com/ on web1 is not known: {re.escape(AWAY)}"
        ):
            publish(CaseContext(case, run))
