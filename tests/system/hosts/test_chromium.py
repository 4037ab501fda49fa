"""The browser of the lab: it shows a page, runs its scripts and reaches nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.hosts.chromium import running_browser

pytestmark = [pytest.mark.system, pytest.mark.browser, pytest.mark.usefixtures("overlays")]


def test_chromium_shows_a_page_and_runs_its_script(tmp_path: Path) -> None:
    page_file = tmp_path / "page.html"
    page_file.write_text("<title>t</title><p id=p>dull</p><script>document.all.p.textContent = 'lively'</script>")
    with running_browser() as browser:
        page = browser.new_page()
        page.goto(page_file.as_uri())
        assert page.text_content("#p") == "lively"
