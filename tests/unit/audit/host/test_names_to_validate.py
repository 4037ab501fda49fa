"""Tests of which names of a host a CA would validate by HTTP for a repair, and of the firewall that it meets."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Final

import pytest

from audit.host.http_validation import script_for_tokens, token_folders
from audit.observation.website import Docroot, Website
from audit.services.model import Section
from tests.support.scripted_host import inspect_answers, sections

LIVE: Final = "/etc/letsencrypt/live/x"
SERVER: Final = "  server {{ listen 443 ssl; server_name {}; ssl_certificate {}; ssl_certificate_key {}; }}\n"
SERVERS: Final = (
    ("www.example.com shop.example.com localhost", "/a.crt", "/a.key"),
    ("*.wild.example.com", "/b.crt", "/b.key"),
    ("other.example.com", f"{LIVE}/fullchain.pem", f"{LIVE}/privkey.pem"),
)
PLAIN: Final = """  server { listen 80; server_name www.example.com; root /srv/www; }
  server { listen 80; server_name other.example.com; root /srv/other; }
"""
NGINX: Final = (
    "# configuration file /etc/nginx/nginx.conf:\n"
    f"http {{\n{''.join(SERVER.format(*words) for words in SERVERS)}{PLAIN}}}\n"
)
FILES: Final = tuple(file for _, *files in SERVERS for file in files)
RULES: Final = "*filter\n:INPUT DROP [0:0]\nCOMMIT"


FOLDER: Final = "/srv/www/.well-known/pki-validation"
TOKENS: Final = f"1764000000 {FOLDER}/{'A' * 32}.txt\n1764000000 /srv/other/.well-known/pki-validation/{'B' * 32}.txt"


def answers(**prepared: str) -> Mapping[str, Section]:
    """Return what a host with nginx as process 7 prints."""
    kept = {name: answer for name, answer in sections(80, 443).items() if not name.startswith(("cpanel", "exim"))}
    held = {"owners": "pid 7\n4080\n4443", "nginx#7.dump": NGINX, "nginx#7.test": "", **prepared}
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


@pytest.mark.parametrize(
    ("listed", "paths", "unlisted"),
    [
        (Section(TOKENS), [f"{FOLDER}/{'A' * 32}.txt"], ()),
        (Section("# cannot read /srv/www\n# cannot read /srv/other"), [], ("root may not read /srv/www",)),
        (Section(f"# cannot read the rest of {FOLDER}: 501"), [], (f"root may not read the rest of {FOLDER}: 501",)),
        (Section("", None), [], (f"the tokens in {FOLDER} were not listed",)),
    ],
    ids=["listed", "folder above denied", "too many", "cut off"],
)
def test_tokens_in_the_folders_of_validated_names_are_read(
    listed: Section, paths: list[str], unlisted: tuple[str, ...]
) -> None:
    observation, _ = inspect_answers({**answers(), "tokens": listed}, not_validated=())
    assert observation.server is not None
    validation = observation.server.validation
    assert validation is not None
    assert ([token.path for token in validation.tokens], validation.unlisted) == (paths, unlisted)


def test_script_lists_the_token_folders_of_websites_at_port_80() -> None:
    docroots = (("/srv/a", 80), ("/srv/b's", 80), ("/srv/c", 8080), ("/srv/\n", 80))
    sites = [Website("nginx", "best", port, docroot=Docroot(folder)) for folder, port in docroots]
    folders = token_folders((*sites, Website("nginx", "best", 80, why="it is forwarded")))
    assert folders == ("/srv/a/.well-known/pki-validation", "/srv/b's/.well-known/pki-validation")
    line = script_for_tokens(folders)
    assert shlex.split(line)[:2] == ["section", "tokens"]
    assert shlex.split(line)[4:] == list(folders)
