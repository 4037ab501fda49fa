"""What a worker of xdist does beside judging: it says which endpoints its tests want."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_sslaudit.parametrize import wanted
from pytest_sslaudit.run import current_run


class Worker:
    """The hooks of a worker."""

    @pytest.hookimpl(tryfirst=True)  # xdist tells the controller in the same hook
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Leave word for the controller, which probes before anything is scheduled."""
        config: Any = session.config
        run = current_run(config)
        run.spool.keep_wanted(config.workerinput["workerid"], wanted(session.items, run))
