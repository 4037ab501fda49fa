"""Tests of sockets that readers of services did not list, of failed configuration tests, and of services at rest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import pytest

from audit.services.model import Section
from tests.support.scripted_host import inspect_answers, sections

NGINX: Final = """# configuration file /etc/nginx/nginx.conf:
stream { server { listen 4443 ssl; ssl_certificate /a.crt; ssl_certificate_key /a.key; } }
http { server { listen 8080; } }
"""
UNEXPLAINED: Final = "the configuration of nginx, as it was read, has no TLS at port"


def host(*listening: int, test: Section, **prepared: str) -> Mapping[str, Section]:
    """Return what a host prints with nginx as process 7, which holds all its sockets."""
    answers = {name: answer for name, answer in sections(*listening).items() if not name.startswith(("cpanel", "exim"))}
    held = "\n".join(["pid 7", *(str(4000 + port) for port in listening)])
    prepared = {"owners": held, **prepared}
    return {**answers, **{name: Section(text) for name, text in prepared.items()}, "nginx#7.test": test}


def test_tls_socket_that_the_reader_of_its_service_did_not_list_is_found() -> None:
    prepared = {
        "nginx#7.dump": NGINX,
        "unknown_sockets": "127.0.0.1:9443\n127.0.0.1:4443\n127.0.0.1:8080\n127.0.0.1:80",
    }
    _, targets = inspect_answers(host(80, 4443, 8080, 9443, 9000, test=Section(""), **prepared))
    found = {target.endpoint.port: target.server for target in targets}
    assert {port: view.service for port, view in found.items() if view} == {4443: "nginx", 9443: "unknown"}
    assert found[9443] is not None
    assert found[9443].missing_rights == (f"{UNEXPLAINED} 9443",)


@pytest.mark.parametrize(
    ("dump", "section", "message"),
    [
        ("", Section("nginx: [emerg] unknown directive", 1, "nginx -t"),
         ("nginx: nginx -t fails: nginx: [emerg] unknown directive",)),
        ("# configuration file /n.conf:\nhttp { server { listen 443 ssl; } }", Section("[emerg] x", 1, "nginx -t"),
         ("nginx: nginx -t fails: [emerg] x",)),
        ("", Section("", 2, "nginx -t"), ("nginx: nginx -t fails: exit status 2",)),
        ("", Section("", 124, "nginx -t"), ("nginx: nginx -t fails: it did not finish within 10 s",)),
        (NGINX, Section("[emerg] x", 1, "nginx -t"), ()),
        ("", Section(""), ()),
    ],
    ids=["no endpoint", "endpoint without a file", "no message", "timeout", "endpoint with a file", "success"],
)  # fmt: skip
def test_failed_test_of_a_configuration_is_reported_once(dump: str, section: Section, message: tuple[str, ...]) -> None:
    answers = host(443, test=section, **{"nginx#7.dump": dump, "file:/a.crt": "missing", "file:/a.key": "missing"})
    observation, targets = inspect_answers(answers)
    assert observation.server is not None
    assert observation.server.missing_rights == message
    tests = [target.server.config_test for target in targets if target.server and target.server.files]
    assert [test.ok for test in tests if test] == ([False] if dump == NGINX else [])


def at_rest(*listening: int, failed: str = "") -> Mapping[str, Section]:
    """Return what a host prints whose nginx starts with it and does not run."""
    answers = {name: answer for name, answer in sections(*listening).items() if not name.startswith(("cpanel", "exim"))}
    prepared = {"nginx#0.dump": NGINX, "nginx#0.failed": failed, "file:/a.crt": "missing", "file:/a.key": "missing"}
    return {**answers, **{name: Section(text) for name, text in prepared.items()}}


@pytest.mark.parametrize(
    ("answers", "not_started"),
    [(at_rest(), ("nginx",)), (at_rest(failed="nginx"), ()), (at_rest(4443), ()), (at_rest(8443), ("nginx",))],
    ids=["not started", "its unit has failed", "something listens", "another port"],
)
def test_service_that_was_not_started_is_named(answers: Mapping[str, Section], not_started: tuple[str, ...]) -> None:
    observation, targets = inspect_answers(answers)
    (view,) = (target.server for target in targets if target.endpoint.port == 4443)
    assert observation.server is not None
    assert view is not None
    assert (observation.server.not_started, view.not_started) == (not_started, not_started)
    assert (view.service, view.service_running) == ("nginx", False)
