"""The hosts and endpoints of a run: those that the user names, and those that are found while hosts are inspected."""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property

import pytest

from audit.host.discovery import Discovery
from audit.host.login import Connections
from audit.probe import Target
from pytest_sslaudit.evidence import EvidenceStore, Inventory
from pytest_sslaudit.items.waves import judges_in_waves
from pytest_sslaudit.reports.host_progress import HostProgress
from pytest_sslaudit.settings import Settings
from pytest_sslaudit.targets import Gathered, Gathering, begin_gathering


class AuditedHosts:
    """The inspection of the hosts of a run, the connections to them, and what was found so far."""

    def __init__(self, config: pytest.Config, settings: Settings, store: EvidenceStore, stop: threading.Event) -> None:
        """Begin without hosts; observations of hosts are kept in the store, and `stop` ends their inspection."""
        self._config, self._settings, self._store, self._stop = config, settings, store, stop
        self.connections = Connections(settings.login_limits)
        self.targets: tuple[Target, ...] = ()
        self.discoveries: tuple[Discovery, ...] = ()
        self.not_inspected: tuple[str, ...] = ()  # the labels of the hosts that the run did not wait for
        self._gathering: Gathering | None = None
        self._gathered: Gathered | None = None
        self._progress: HostProgress | None = None

    def first(self) -> Inventory:
        """Begin to inspect the hosts; return what the first tests are collected for. Raises as `begin_gathering`."""
        gathering = begin_gathering(self._config, self._settings, self.connections, self._stop)
        self._gathering, self._progress = gathering, HostProgress(self._config, gathering.pool)
        waits_for_all = not judges_in_waves(self._config, self._settings)
        return self._kept(gathering.first(self._progress.show, waits_for_all=waits_for_all))

    def more(self) -> Gathered | None:
        """Wait until further hosts have ended; return them with their endpoints, None if there are none left."""
        if self._gathering is None or self._progress is None:
            return None
        part = self._gathering.more(self._progress.show)
        if part is not None:
            self._kept(part)
        return part

    @property
    def inventory(self) -> Inventory:
        """What the run audits, as far as it was found; raises LookupError before that."""
        if self._gathered is None:
            raise LookupError("nothing was found yet")
        return self._gathered.inventory

    @property
    def are_awaited(self) -> bool:
        """Whether further hosts will end."""
        return bool(self._gathering and self._gathering.pool.remaining)

    @cached_property
    def targets_by_id(self) -> dict[str, Target]:
        """The targets by the ids of their endpoints; made again when more are found."""
        return {str(target.endpoint): target for target in self.targets}

    def show(self) -> None:
        """Show which hosts have ended, between two tests."""
        if self._progress:
            self._progress.note()

    def shown(self) -> AbstractContextManager[None]:
        """Show which hosts end while endpoints are observed."""
        return self._progress.meanwhile() if self._progress else nullcontext()

    def end(self) -> None:
        """End the inspections that still run, and note their hosts."""
        if self._gathering:
            self.not_inspected = self._gathering.pool.remaining
            self._gathering.pool.close()

    def close(self) -> None:
        """End the inspections and the connections."""
        if self._gathering:
            self._gathering.pool.close()
        self.connections.close()

    def _kept(self, part: Gathered) -> Inventory:
        """Store a further part of what the run audits; return the whole inventory."""
        gathered = self._gathered = self._gathered + part if self._gathered else part
        self.targets, self.discoveries = gathered.targets, gathered.discoveries
        self.__dict__.pop("targets_by_id", None)
        self._store.keep_inventory(gathered.inventory)
        for discovery in part.discoveries:
            self._store.keep(discovery.host)
        if self._progress:
            self._progress.begin_tests()
        return gathered.inventory
