"""Whatever a host prints where something else is expected: a host that lies, or a disk that is full, stops no audit."""

from __future__ import annotations

from typing import Final

import pytest

from audit.json_codec import to_json
from audit.services.model import Section
from tests.support.scripted_host import ask
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
def test_no_section_of_an_answer_stops_the_audit_whatever_is_in_it(name: str) -> None:
    for section in (Section("x", 1), Section("x", None), *map(Section, GARBAGE)):
        observation, targets = ask({**GOOD, name: section})
        assert observation.server, section
        assert all(0 < one.endpoint.port < 65_536 for one in targets), section
        to_json(observation)


@pytest.mark.parametrize(
    "name", ["nobody#1.words", "exim#99999999999999999999.words", "#1.x", "cpanel.", "cpanel.#0.x"]
)
def test_a_section_that_nobody_asked_for_is_passed_over(name: str) -> None:
    plain, seen = ask(GOOD), ask({**GOOD, name: Section("x")})
    assert [one.endpoint for one in seen[1]] == [one.endpoint for one in plain[1]]
