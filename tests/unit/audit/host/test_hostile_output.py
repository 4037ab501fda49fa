"""Tests of hostile output of a host: no section with other text than expected stops the audit."""

from __future__ import annotations

from typing import Final

import pytest

from audit.json_codec import to_json
from audit.services.model import Section
from tests.support.scripted_host import inspect_answers
from tests.unit.audit.host.test_cpanel_layout import ANSWERS, FILES

GARBAGE: Final = (
    "", "x", "-1", "0", "\N{SUPERSCRIPT TWO}", "\N{ARABIC-INDIC DIGIT THREE}", "9" * 5000, "1e999", "nan",
    "\0\x1b[2J\N{REPLACEMENT CHARACTER}", "pid pid\npid 9999999999999999\n0", "a b c d e f g h i j k l m n o",
    "0: ZZZZZZZZ:GGGG 0 0A 0 0 0 0 0 1", "0: 0100007F:10000 0 0A 0 0 0 0 0 1", "0: 00:0050 0 0A 0 0 0 0 0 1",
    "\N{SUPERSCRIPT TWO} /var/www/html/x", "99999999999 /x", "/etc/wwwacct.conf: CONTACTEMAIL\n: :\n# cannot read ",
    "real\nstat 9z9\nkey\ncertificate", "stat 888 a b c", "daemon_smtp_ports = 99999 : 0 : smtp : \N{SUPERSCRIPT TWO}",
    "local_interfaces = <; ::: ; 300.1.1.1 ; [fe80::1%eth0]:25 ; %", "served\nbegan \N{SUPERSCRIPT TWO}\nbegan -1",
    "-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----", "Listen 99999\n<VirtualHost", "\n" * 2000,
)  # fmt: skip
_CPANEL_STATE: Final = ("switches", "panel", "forward", "schedules", "tokens")
GOOD: Final = {
    **ANSWERS,
    **FILES,
    **{f"state.{name}": Section("") for name in _CPANEL_STATE},
    "firewall.nft": Section(""),
}


@pytest.mark.parametrize("name", sorted(GOOD))
def test_section_with_unexpected_text_does_not_stop_the_audit(name: str) -> None:
    for section in (Section("x", 1), Section("x", None), *map(Section, GARBAGE)):
        observation, targets = inspect_answers({**GOOD, name: section})
        assert observation.server, section
        assert all(0 < target.endpoint.port < 65_536 for target in targets), section
        to_json(observation)


@pytest.mark.parametrize(
    "name", ["unknown#1.words", "exim#99999999999999999999.words", "#1.x", "cpanel.", "cpanel.#0.x"]
)
def test_unexpected_section_is_ignored(name: str) -> None:
    plain, seen = inspect_answers(GOOD), inspect_answers({**GOOD, name: Section("x")})
    assert [target.endpoint for target in seen[1]] == [target.endpoint for target in plain[1]]
