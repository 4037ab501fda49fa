"""Tests of hosts that are not Linux hosts or have no /proc, and of containers without programs for the network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import pytest

from audit.services.declared import DeclaredService
from audit.services.model import Section
from tests.support.scripted_host import inspect_answers, sections

BSD: Final = """tcp4       0      0 *.443                  *.*                    LISTEN
tcp46      0      0 *.993                  *.*                    LISTEN
tcp6       0      0 *.25                   *.*                    LISTEN
tcp4       0      0 192.0.2.1.465          *.*                    LISTEN
tcp4       0      0 127.0.0.1.8443         *.*                    LISTEN
tcp4       0      0 *.3306                 *.*                    LISTEN
tcp4       0      0 *.70000                *.*                    LISTEN
"""
SOLARIS: Final = """      *.443                *.*                0      0  128000      0 LISTEN
"""
WINDOWS: Final = "  TCP    0.0.0.0:443            0.0.0.0:0              LISTENING\n"
DECLARED: Final = DeclaredService("gateway", ("https://api.example.com:8444",), "/etc/gateway.crt", "/etc/gateway.key")


def host(kernel: str = "FreeBSD", **prepared: Section) -> Mapping[str, Section]:
    """Return what a host of another kernel prints: it has no /proc, and its programs have other options."""
    without_proc = Section("sed: /proc/net/tcp: No such file or directory", 1)
    kept = ("clock", "uid", "fqdn", "addresses", "clock.end")
    answers = {name: answer for name, answer in sections().items() if name in kept}
    return {**answers, "kernel": Section(kernel), "sockets": without_proc, **prepared}


@pytest.mark.parametrize(
    ("kernel", "listeners", "expected"),
    [
        ("FreeBSD", BSD, {"https:443", "imaps:993", "smtp:25", "smtps:465"}),
        ("SunOS", SOLARIS, {"https:443"}),
        ("CYGWIN_NT-10.0", WINDOWS, {"https:443"}),
        ("Darwin", "sh: netstat: not found", set()),
    ],
)
def test_other_kernel_is_named_and_only_its_open_ports_are_probed(
    kernel: str, listeners: str, expected: set[str]
) -> None:
    observation, targets = inspect_answers(host(kernel, listeners=Section(listeners)))
    assert observation.server is not None
    assert observation.server.not_inspected == f"the host runs {kernel}, and only Linux can be inspected"
    assert observation.server.missing_rights == ()
    assert {f"{target.endpoint.scheme}:{target.endpoint.port}" for target in targets} == expected
    assert all(target.inside is None and target.inside_addresses == () for target in targets)
    assert observation.connections == 1


def test_declared_service_of_another_kernel_is_probed_without_its_files() -> None:
    _, targets = inspect_answers(host(), services=(DECLARED,))
    assert [(str(target.endpoint), target.server and target.server.files) for target in targets] == [
        ("server/https://api.example.com:8444", ())
    ]


def test_linux_without_proc_is_not_inspected_either() -> None:
    observation, _ = inspect_answers(host("Linux"))
    assert observation.server is not None
    assert observation.server.not_inspected.startswith("the host's /proc cannot be read (sed: /proc/net/tcp: ")


@pytest.mark.parametrize(("mark", "stand_in"), [("/.dockerenv", "server"), ("", None)])
def test_services_of_a_container_have_its_label_and_not_its_id(mark: str, stand_in: str | None) -> None:
    answers = {**sections(), "container": Section(mark), "fqdn": Section("06e57b4c76b2")}
    observation, _ = inspect_answers(answers)
    assert observation.server is not None
    assert (observation.server.fqdn, observation.server.stand_in) == ("06e57b4c76b2", stand_in)
    named, _ = inspect_answers(answers, name="mail.example.com")
    assert named.server is not None
    assert (named.server.fqdn, named.server.stand_in) == ("mail.example.com", None)
