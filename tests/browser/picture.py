"""The README's picture: `make demo && python -m tests.browser.picture` draws docs/report.png anew from report.html."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from tests.real.browser import running_browser


def main() -> int:
    """Show the top of the report with one row unfolded; the browser sees files below the folder for temporary ones."""
    with tempfile.TemporaryDirectory() as folder, running_browser() as browser:
        report = Path(shutil.copy("report.html", folder))
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.goto(report.as_uri())
        page.locator("td.col-check", has_text="cert.name-mismatch").first.click()
        page.screenshot(path="docs/report.png")
    return 0


if __name__ == "__main__":
    sys.exit(main())
