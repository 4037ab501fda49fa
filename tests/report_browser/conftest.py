"""One report of hosts that are well, ill and hostile, and the browser that shows it."""

from __future__ import annotations

import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from audit.endpoint import parse_endpoint
from audit.observation import DnsView, Observation, ProbeFailure
from tests.support.endpoint_facts import served
from tests.support.evidence import keep
from tests.support.hosts.chromium import running_browser
from tests.support.x509.certificates import NOW, Draft, ca, leaf
from tests.system.conftest import overlays  # noqa: F401 - the browser lies in an overlay, as the real servers do

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Dialog, Page

ROOT: Final = ca("CN=Root")
SUBJECT: Final = r"CN=\<script\>alert(1)\</script\>"  # RFC 4514, as a report writes it too
IMAGE: Final = "<img src=x onerror=alert(2)> '\"&amp;</td></table>" + "x" * 3000
OWN: Final = """
import pytest
from audit import check

@check("acme.hostile", severity="low")
def test_hostile(endpoint):
    "No <b>markup</b>."
    assert endpoint.port == "<svg onload=alert(3)>"

def test_plain():
    print("<script>alert(4)</script>")
    assert not "<script>alert(5)</script>"
"""


def observed(name: str, *drafts: Draft) -> Observation:
    """Return what is seen of an endpoint that sends these certificates, and resolves to where it is."""
    address = "192.0.2.7"
    endpoint = parse_endpoint(f"https://{name}")
    return Observation(endpoint, NOW, (address,), (served(*drafts, address=address),), (), DnsView("ok", (address,)))


def observations() -> list[Observation]:
    """Return what was seen of good endpoints, of faulty ones and of two that send markup."""
    failure = ProbeFailure("starttls", "garbage", f"no greeting: {IMAGE}", "192.0.2.9")
    far = NOW + timedelta(days=50)
    return [
        observed("good.example", leaf("good.example").by(ROOT)),
        observed("also-good.example", leaf("also-good.example").by(ROOT).ending(far)),
        observed("expired.example", leaf("expired.example").by(ROOT).ending(NOW - timedelta(days=2))),
        observed("hostile.example", Draft(SUBJECT, ("hostile.example",))),
        Observation(parse_endpoint("smtp://dead.example"), NOW, ("192.0.2.9",), failures=(failure,)),
    ]


LIMITED: Final = "import pytest_sslaudit.reports.long_html as page; page.MOST_ROWS = 10"


def judged(folder: Path, *given: str) -> Path:
    """Judge the observations as a user would; return the report."""
    keep(folder / "kept", observations())
    (folder / "root.pem").write_text(ssl.DER_cert_to_PEM_cert(ROOT.der))
    (folder / "test_own.py").write_text(OWN)
    options = ["--audit-from-evidence=kept", "--audit-trust=root.pem", "--html=report.html", *given]
    argv = [sys.executable, "-m", "pytest", "--pyargs", "audit", "test_own.py", "-q", *options]
    done = subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    return folder / "report.html"


@pytest.fixture(scope="session")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the report of a few endpoints."""
    return judged(tmp_path_factory.mktemp("report"))


@pytest.fixture(scope="session")
def long_report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the report of the same endpoints, as if they were too many for a table."""
    folder = tmp_path_factory.mktemp("long")
    (folder / "limited.py").write_text(LIMITED)
    return judged(folder, "-p", "limited")


@pytest.fixture(scope="module")  # not longer: playwright has an event loop, of which a thread can run one
def browser(overlays: None) -> Iterator[Browser]:  # noqa: ARG001, F811 - asked for to skip or fail before it is started
    with running_browser() as running:
        yield running


def note_and_dismiss(dialog: Dialog, troubles: list[str]) -> None:
    """Keep the text of a dialog that a script opened; one that is left open would hold the page up."""
    troubles.append(dialog.message)
    dialog.dismiss()


@contextmanager
def showing(browser: Browser, report: Path) -> Iterator[Page]:
    """Show a report; whatever ran or went wrong on the page fails the test."""
    shown = browser.new_page(viewport={"width": 1280, "height": 900})
    troubles: list[str] = []
    shown.on("console", lambda message: troubles.append(message.text))
    shown.on("pageerror", lambda error: troubles.append(str(error)))
    shown.on("dialog", lambda dialog: note_and_dismiss(dialog, troubles))
    shown.goto(report.as_uri())
    shown.wait_for_selector("#results-table tbody", state="attached")
    yield shown
    shown.close()
    assert troubles == []


@pytest.fixture
def page(browser: Browser, report: Path) -> Iterator[Page]:
    """Show the report."""
    with showing(browser, report) as shown:
        yield shown


@pytest.fixture
def long_page(browser: Browser, long_report: Path) -> Iterator[Page]:
    """Show the report without a table."""
    with showing(browser, long_report) as shown:
        yield shown
