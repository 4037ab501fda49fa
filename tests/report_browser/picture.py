"""The picture of the README: `make demo && python -m tests.report_browser.picture` draws it from report.html."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from tests.support.hosts.chromium import running_browser


def main() -> int:
    """Show the top of the report, with what was repaired and one of its rows unfolded.

    The browser sees files below the folder for temporary ones.
    """
    with tempfile.TemporaryDirectory() as folder, running_browser() as browser:
        report = Path(shutil.copy("report.html", folder))
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.goto(report.as_uri())
        repaired = page.locator("tr", has=page.locator(".sslaudit-repaired")).locator("td.col-check")
        repaired.filter(has_text="cert.expired").first.click()
        for outcome in ("failed", "xfailed", "skipped"):
            page.locator(f'input[data-test-result="{outcome}"]').click()
        page.evaluate("window.scrollTo(0, 0)")
        page.screenshot(path="docs/report.png")
    return 0


if __name__ == "__main__":
    sys.exit(main())
