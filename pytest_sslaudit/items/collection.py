"""Collects each check once for every endpoint, host or run, in the main process and in workers.

Only the command line leaves out built-in checks. Neither `addopts` of a configuration file nor the environment
variable PYTEST_ADDOPTS does, because the next user who starts the audit sees neither of them.
"""

from __future__ import annotations

import gc
from collections.abc import Generator, Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any, Final

import pytest
import testinfra

from audit.checks import check_ids, check_of
from audit.endpoint import Endpoint
from audit.host.discovery import redacted
from audit.policy import BadProfile, require_checks
from pytest_sslaudit import fixtures
from pytest_sslaudit.activation import audit_folder, checks_folder, ignores_files, is_added, is_built_in
from pytest_sslaudit.items.check_item import are_ours, check_items, needs_only_facts
from pytest_sslaudit.items.grouped_items import ALL_JUDGED, AllJudged, CheckOfAll
from pytest_sslaudit.items.pairs import endpoints_of, pairs_of, tests_of
from pytest_sslaudit.items.shared_logins import TESTINFRA_HOST
from pytest_sslaudit.run_state import STALE_WAIVER, Run, current_run, is_in_worker
from pytest_sslaudit.settings import INVENTORY, TESTINFRA

_WITHOUT_ASSERTIONS: Final = (
    "the check {} of {} may use assert, which Python leaves out with -O or PYTHONOPTIMIZE: start Python without them"
)


class BuiltInCollection:
    """The hooks that collect the built-in checks, in every process."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_ignore_collect(self, collection_path: Path, config: pytest.Config) -> bool | None:
        """Collect the folders and their files, unless the command line has `--ignore` or `--ignore-glob`."""
        is_ours = collection_path in (audit_folder(), checks_folder()) or is_built_in(collection_path)
        if not is_ours and not is_added(collection_path, config):
            return None
        return None if ignores_files(config) else False

    @pytest.hookimpl(wrapper=True)
    def pytest_collect_file(
        self, file_path: Path, parent: pytest.Collector
    ) -> Generator[None, list[pytest.Collector], list[pytest.Collector]]:
        """Collect the file of a built-in check if `python_files` leaves it out."""
        collectors = yield
        if collectors or not is_built_in(file_path):
            return collectors
        module = parent.ihook.pytest_pycollect_makemodule(module_path=file_path, parent=parent)
        return [module] if module is not None else []

    @pytest.hookimpl(tryfirst=True)
    def pytest_pycollect_makeitem(
        self, collector: pytest.Collector, name: str, obj: object
    ) -> list[pytest.Item | pytest.Collector] | None:
        """Collect a built-in check where it is defined, even if `python_functions` does not match its name."""
        if not isinstance(collector, pytest.Module) or check_of(obj) is None:
            return None
        if not is_built_in(collector.path) and not is_added(collector.path, collector.config):
            return None
        return list(collector._genfunctions(name, obj))  # noqa: SLF001 - as pytest does


class Parametrize:
    """The hooks of collection."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_pycollect_makeitem(
        self,
        collector: pytest.Module | pytest.Class,
        name: str,
        obj: Any,  # noqa: ANN401 - a value of a module
    ) -> list[pytest.Item] | None:
        """Collect a check once for each endpoint of its scopes: without one, it neither passes nor is skipped."""
        check = check_of(obj)
        if check is None:
            return None
        run = current_run(collector.config)
        if not __debug__ and not is_built_in(collector.path):
            run.usage_errors.append(_WITHOUT_ASSERTIONS.format(check.id, collector.nodeid))
        run.collected.add(check.id)
        endpoints = run.endpoints(check.scopes)
        if check.id == STALE_WAIVER or not endpoints:  # stale waivers are judged at the end
            return []
        if not isinstance(collector, pytest.Module) or not _is_judged_without_fixtures(collector, name, obj):
            return None
        if run.settings.items != "each":
            return [CheckOfAll.from_parent(collector, name=name, function=obj, check=check, endpoints=endpoints)]
        return list(check_items(collector, name, obj, check, endpoints))

    @pytest.hookimpl(wrapper=True)
    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> Generator[None, None, None]:
        """Parametrize over the endpoints; keep testinfra from combining each of them with each host."""
        run = current_run(metafunc.config)
        file = metafunc.definition.path
        if audit_folder() in file.parents or is_added(file, metafunc.config):
            _require_own_fixtures(metafunc)
        if not _is_ours(metafunc):
            return (yield)
        check = check_of(metafunc.function)
        endpoints = run.endpoints(check.scopes if check else ("endpoint",))
        if TESTINFRA_HOST not in metafunc.fixturenames:
            metafunc.parametrize(fixtures.OURS, endpoints, ids=str, scope="session", indirect=True)
            return (yield)
        _pair_with_hosts(metafunc, run, endpoints)
        metafunc.fixturenames.remove(TESTINFRA_HOST)  # or testinfra combines every endpoint with every host
        try:
            return (yield)
        finally:
            metafunc.fixturenames.append(TESTINFRA_HOST)

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Refuse two checks with the same id, and every other usage error."""
        run, functions = current_run(config), dict[str, Any]()
        distinct = dict.fromkeys(tests_of(item) for item in items if endpoints_of(item))  # endpoints share their checks
        for item in (test for tests in distinct for test in tests):
            function = getattr(item, "function", None)
            check = check_of(function)
            if check is not None and functions.setdefault(check.id, function) is not function:
                run.usage_errors.append(f"two checks have the id {check.id!r}; the second is {item.nodeid}")
        run.usage_errors += _errors_of_policies(run)
        if run.usage_errors and not is_in_worker(config):
            raise pytest.UsageError(*dict.fromkeys(run.usage_errors))

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Record which checks run for which endpoints, after everything that deselects tests."""
        run = current_run(session.config)
        run.selected.update(pairs_of(session.items))
        checks_of_all = (item for item in session.items if isinstance(item, CheckOfAll))
        session.config.stash[ALL_JUDGED] = AllJudged(checks_of_all)
        _search_less_garbage(session.config)


_BETWEEN_SEARCHES: Final = (50_000, 20, 20)
"""How many new objects, and searches of the newer ones, there are between two searches of the garbage collector."""


def _search_less_garbage(config: pytest.Config) -> None:
    """Let the garbage collector search less often until the run ends: it searches what pytest keeps of all tests."""
    _keep_from_garbage_collector()
    config.add_cleanup(partial(gc.set_threshold, *gc.get_threshold()))
    gc.set_threshold(*_BETWEEN_SEARCHES)


@cache
def _keep_from_garbage_collector() -> None:
    """Leave the modules and tests of a run, which stay to its end, out of the collector's searches; once in a process.

    They take a tenth of the CPU time of a short audit.
    """
    gc.freeze()


def _is_judged_without_fixtures(collector: pytest.Module, name: str, function: Any) -> bool:  # noqa: ANN401 - a check
    """Return whether a check of a module can be judged without pytest's fixtures."""
    if is_built_in(collector.path):
        return True
    is_test = is_added(collector.path, collector.config) or collector.istestfunction(function, name)
    return is_test and needs_only_facts(collector, name, function)


def _errors_of_policies(run: Run) -> Iterator[str]:
    """Yield a usage error for each policy with an id that no check has: the user's own checks are known now."""
    for profile in run.settings.policy:
        try:
            require_checks(profile, check_ids(), run.collected)
        except BadProfile as error:
            yield f"policy {error}"


def _is_ours(metafunc: pytest.Metafunc) -> bool:
    return are_ours(metafunc._arg2fixturedefs.get(fixtures.OURS))  # noqa: SLF001 - pytest has no public way to read it


def _require_own_fixtures(metafunc: pytest.Metafunc) -> None:
    """Give a built-in check the facts of this plugin, even if a conftest has fixtures of the same names."""
    definitions_by_name = metafunc._arg2fixturedefs  # noqa: SLF001 - pytest has no public way to choose a fixture
    if all(are_ours(definitions_by_name[name]) for name in fixtures.FACTS if name in definitions_by_name):
        return
    session = metafunc.definition.session
    for name in fixtures.FACTS:
        definitions = session._fixturemanager.getfixturedefs(name, session) or ()  # noqa: SLF001 - as above
        definitions_by_name[name] = [definition for definition in definitions if are_ours([definition])]
    if fixtures.OURS not in metafunc.fixturenames:
        metafunc.fixturenames.append(fixtures.OURS)


def _pair_with_hosts(metafunc: pytest.Metafunc, run: Run, endpoints: tuple[Endpoint, ...]) -> None:
    with_password = {redacted(host): host for host in reversed(run.settings.hosts)}
    pairs = [
        (endpoint, _host_of(with_password.get(endpoint.hostspec, endpoint.hostspec), run))
        for endpoint in endpoints
        if endpoint.hostspec
    ]
    if not pairs and not run.awaits_hosts:
        run.usage_errors.append(
            f"{metafunc.definition.nodeid} uses 'host' together with 'endpoint', but no endpoint of this run was found "
            "by logging into a host: name the host with --hosts=ssh://NAME"
        )
    ids = [str(endpoint) for endpoint, _ in pairs]
    metafunc.parametrize((fixtures.OURS, TESTINFRA_HOST), pairs, ids=ids, scope="session", indirect=True)


def _host_of(hostspec: str, run: Run) -> testinfra.host.Host | UnusableHost:
    given = run.settings.testinfra
    options = {key: given[key] for key in (*TESTINFRA, *INVENTORY)}
    try:
        return testinfra.get_host(hostspec, **options)
    except Exception as error:  # noqa: BLE001 - the boundary of one host: it is raised when that host's test is run
        return UnusableHost(error)


class UnusableHost:
    """A stand-in for a host that testinfra cannot log into: its first use raises the reason."""

    def __init__(self, error: Exception) -> None:
        """Store the reason."""
        self._error = error

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - any attribute of a host
        """Raise the reason."""
        if name.startswith("_"):  # pytest reads these attributes of every parameter
            raise AttributeError(name)
        raise self._error
