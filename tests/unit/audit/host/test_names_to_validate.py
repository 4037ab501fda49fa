"""Tests of which names of a host a CA would validate by HTTP for a repair, and of the firewall that it meets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import pytest

from audit.services.model import Section
from tests.support.scripted_host import inspect_answers, sections

LIVE: Final = "/etc/letsencrypt/live/x"
SERVER: Final = "  server {{ listen 443 ssl; server_name {}; ssl_certificate {}; ssl_certificate_key {}; }}\n"
SERVERS: Final = (
    ("www.example.com shop.example.com localhost", "/a.crt", "/a.key"),
    ("*.wild.example.com", "/b.crt", "/b.key"),
    ("other.example.com", f"{LIVE}/fullchain.pem", f"{LIVE}/privkey.pem"),
)
NGINX: Final = (
    f"# configuration file /etc/nginx/nginx.conf:\nhttp {{\n{''.join(SERVER.format(*words) for words in SERVERS)}}}\n"
)
FILES: Final = tuple(file for _, *files in SERVERS for file in files)
RULES: Final = "*filter\n:INPUT DROP [0:0]\nCOMMIT"


def answers(**prepared: str) -> Mapping[str, Section]:
    """Return what a host with nginx as process 7 prints."""
    kept = {name: answer for name, answer in sections(443).items() if not name.startswith(("cpanel", "exim"))}
    held = {"owners": "pid 7\n4443", "nginx#7.dump": NGINX, "nginx#7.test": "", **prepared}
    files = {f"file:{file}": Section("missing") for file in FILES}
    return {**kept, **files, **{name: Section(text) for name, text in held.items()}}


@pytest.mark.parametrize(
    ("excluded", "names"),
    [((), ("shop.example.com", "www.example.com")), (("shop.*",), ("www.example.com",)), (("*",), None)],
    ids=["none excluded", "one excluded", "all excluded"],
)
def test_names_of_certificates_of_no_other_agent_are_validated(
    excluded: tuple[str, ...], names: tuple[str, ...] | None
) -> None:
    observation, _ = inspect_answers(answers(), not_validated=excluded)
    assert observation.server is not None
    validation = observation.server.validation
    assert (validation and validation.names) == names


def test_no_name_is_validated_if_no_repair_is_configured() -> None:
    observation, _ = inspect_answers(answers(**{"firewall.iptables": RULES}))
    assert observation.server is not None
    assert observation.server.validation is None


def test_firewall_is_read_with_what_the_login_may_not_read() -> None:
    prepared = answers(**{"firewall.iptables": RULES})
    denied = Section("Operation not permitted (you must be root)", 1, "nft -j list ruleset")
    observation, _ = inspect_answers({**prepared, "firewall.nft": denied}, not_validated=())
    assert observation.server is not None
    validation = observation.server.validation
    assert validation is not None
    assert [(chain.name, chain.policy) for chain in validation.firewall.chains] == [("INPUT", "refuse")]
    assert [why.startswith("root gets no list of rules by 'nft -j list ruleset'") for why in validation.unread] == [
        True
    ]


def test_server_of_a_panel_keeps_its_own_state() -> None:
    observation, _ = inspect_answers(sections(443), not_validated=())
    assert observation.server is not None
    assert (observation.server.validation, observation.server.cpanel is not None) == (None, True)
