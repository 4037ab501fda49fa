"""Notes of a policy are shown once on the page and beside each result that they concern."""

from __future__ import annotations

import json
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from audit.observation import Observation
from audit.policy import load_profile
from tests.support.endpoint_facts import GOOD, INTERMEDIATE, served
from tests.support.evidence import NOW, A, keep
from tests.support.x509.certificates import DAY

EXPIRING = load_profile("cpanel").notes["cert.expiring"]
OWN = 'extends = "cpanel"\n[notes."cert.expiring"]\nlegacy_rule = "<b>a</b>"\ncurrent_practice = "b"\nsource = "c"\n'


def page(pytester: pytest.Pytester, policy: str, *more: str) -> tuple[str, list[str]]:
    """Return the page of an audit by that policy, and what is unfolded under its row of `cert.expiring`."""
    late = GOOD.ending(NOW + 2 * DAY)
    keep(pytester.path / "kept", [Observation(A, NOW, ("192.0.2.7",), (served(late, INTERMEDIATE),))])
    given = ("--audit-from-evidence=kept", "--html=report.html", f"--audit-policy={policy}")
    pytester.runpytest("--pyargs", "audit", "-k", "test_not_expiring", *given, *more)
    text = (pytester.path / "report.html").read_text(encoding="utf-8")
    blob = text.split('data-jsonblob="')[1].split('"')[0]
    tests: dict[str, list[dict[str, Any]]] = json.loads(unescape(blob))["tests"]
    logs = [str(row["log"]) for name, each in tests.items() for row in each if "test_not_expiring" in name]
    return text, logs


def test_result_has_its_policy_notes_and_the_page_has_each_once(pytester: pytest.Pytester) -> None:
    text, (log,) = page(pytester, "cpanel")
    assert f"rule      {EXPIRING.legacy_rule}" in unescape(log)
    assert f"today     {EXPIRING.current_practice} ({EXPIRING.source})" in unescape(log)
    assert text.count('<details class="sslaudit-notes">') == 1
    table = unescape(text.split('<details class="sslaudit-notes">')[1].split("</details>")[0])
    assert "Policy cpanel: where its rules and current practice differ" in table
    for check, note in load_profile("cpanel").notes.items():
        assert f"<code>{check}</code>" in table
        assert table.count(note.current_practice) == 1


def test_current_policy_has_no_notes(pytester: pytest.Pytester) -> None:
    text, (log,) = page(pytester, "webpki")
    assert "rule      " not in log
    assert '<details class="sslaudit-notes">' not in text


def test_note_of_a_user_policy_is_escaped_text(pytester: pytest.Pytester) -> None:
    Path("own.toml").write_text(OWN)
    text, (log,) = page(pytester, "own.toml")
    assert "rule      <b>a</b>" in unescape(log)
    table = text.split('<details class="sslaudit-notes">')[1].split("</details>")[0]
    assert "&lt;b&gt;a&lt;/b&gt;" in table
    assert "Policy own:" in table


def test_each_of_several_policies_adds_its_notes(pytester: pytest.Pytester) -> None:
    text, (log,) = page(pytester, "webpki", "--audit-policy=cpanel")
    assert '<details class="sslaudit-notes">' in text
    assert "rule      " not in log  # it is late by the policy webpki, whose rule that is
