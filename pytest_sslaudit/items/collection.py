"""Collects each check once for every endpoint, host or run, in the main process and in workers.

Only the command line leaves out built-in checks. Neither `addopts` of a configuration file nor the environment
variable PYTEST_ADDOPTS does, because the next user who starts the audit sees neither of them.
"""

from __future__ import annotations

import gc
import re
from collections.abc import Collection, Generator, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest
import testinfra

from audit.analysis.reachability import UNREACHABLE
from audit.analysis.revocation.judgement import REVOKED
from audit.checks import Check, check_ids, check_of
from audit.endpoint import Endpoint
from audit.host.discovery import redacted
from audit.json_codec import nearest
from audit.policy import BadProfile, require_checks
from audit.text import matches_glob
from pytest_sslaudit import fixtures
from pytest_sslaudit.activation import audit_folder, checks_folder, ignores_files, is_added, is_built_in
from pytest_sslaudit.evidence import CollectedTests, Exchange
from pytest_sslaudit.items.check_item import CheckItem, are_ours, check_items, keyword_of, needs_only_facts
from pytest_sslaudit.run_state import STALE_WAIVER, Run, current_run
from pytest_sslaudit.settings import INVENTORY, TESTINFRA

TESTINFRA_HOST = "_testinfra_host"
_MARKER: Final = "sslaudit"
_WORD: Final = re.compile(r"[\w:+\-.\[\]\\/]+")
"""A name in an expression of `-k`."""
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
        for item in items:
            check, endpoint = judged(item)
            if check is None or endpoint is None:
                continue
            function = getattr(item, "function", None)
            if functions.setdefault(check.id, function) is not function:
                run.usage_errors.append(f"two checks have the id {check.id!r}; the second is {item.nodeid}")
        run.usage_errors += _errors_of_policies(run)
        if run.usage_errors and not hasattr(config, "workerinput"):
            raise pytest.UsageError(*dict.fromkeys(run.usage_errors))

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Record which checks run for which endpoints, after everything that deselects tests."""
        run = current_run(session.config)
        for item in session.items:
            check, endpoint = judged(item)
            if check is not None and endpoint is not None:
                run.selected.add(check.id, str(endpoint))
        _keep_from_garbage_collector()


@cache
def _keep_from_garbage_collector() -> None:
    """Leave the modules and tests of a run, which stay to its end, out of the collector's searches; once in a process.

    They take a tenth of the CPU time of a short audit.
    """
    gc.freeze()


class Selection:
    """The hooks by which `-m sslaudit`, `-k` with the id of a check, and `--audit-check` select tests."""

    def pytest_itemcollected(self, item: pytest.Item) -> None:
        """Mark a test of the audit, and let `-k` find a check by its id."""
        check, endpoint = judged(item)
        if endpoint is None or isinstance(item, CheckItem):  # which has both
            return
        item.add_marker(_MARKER)
        if check is not None:
            item.extra_keyword_matches.add(keyword_of(check.id))

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_collection_modifyitems(
        self, config: pytest.Config, items: list[pytest.Item]
    ) -> Generator[None, None, None]:
        """Apply `--audit-check`; let an id in `-k` select only that check, though `-k` compares parts of names."""
        ids = {check.id for item in items if (check := judged(item)[0])}
        _keep_named_checks(config, items, ids)
        given: str = config.option.keyword
        config.option.keyword = _WORD.sub(lambda word: _keyword(word[0], ids), given)
        try:
            yield
        finally:
            config.option.keyword = given
        _put_endpoints_together(items)


def _is_judged_without_fixtures(collector: pytest.Module, name: str, function: Any) -> bool:  # noqa: ANN401 - a check
    """Return whether a check of a module can be judged without pytest's fixtures."""
    if is_built_in(collector.path):
        return True
    is_test = is_added(collector.path, collector.config) or collector.istestfunction(function, name)
    return is_test and needs_only_facts(collector, name, function)


def _put_endpoints_together(items: list[pytest.Item]) -> None:
    """Put the tests of an endpoint together: its facts are read once.

    The check of reachability comes first: if it runs again, the others judge what it saw.
    """
    blocks = dict[object, list[pytest.Item]]()
    for item in items:
        blocks.setdefault(endpoint_of(item) or item, []).append(item)
    items[:] = [item for block in blocks.values() for item in sorted(block, key=_is_later)]


def _is_later(item: pytest.Item) -> bool:
    check, _ = judged(item)
    return check is None or check.id != UNREACHABLE


def _keyword(word: str, ids: Collection[str]) -> str:
    """Return a word of `-k`, the id of a check as the keyword of that check alone."""
    return keyword_of(word) if word.lower() in ids else word


def _keep_named_checks(config: pytest.Config, items: list[pytest.Item], ids: Collection[str]) -> None:
    """Deselect the tests that `--audit-check` does not name; `ids` are those of the checks of this run."""
    globs: list[str] = config.option.audit_check or []
    if not globs:
        return
    chosen = {
        item for item in items if (check := judged(item)[0]) and any(matches_glob(glob, check.id) for glob in globs)
    }
    current_run(config).usage_errors += _errors_of_globs(globs, {*ids, *check_ids()}, matched=bool(chosen))
    kept = [item for item in items if item in chosen]
    config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
    items[:] = kept


def _errors_of_globs(globs: Sequence[str], known: Collection[str], *, matched: bool) -> Iterator[str]:
    """Yield a usage error for each glob that no id of a check matches, else one if no test of this run matches any."""
    unknown = [glob for glob in globs if not any(matches_glob(glob, check_id) for check_id in known)]
    groups = {f"{check_id.partition('.')[0]}.*" for check_id in known}
    for glob in unknown:
        yield f"--audit-check {glob}: no check has this id{nearest(glob, {*known, *groups})}"
    if not unknown and not matched:
        yield f"--audit-check {' '.join(globs)}: these checks do not apply to any host or endpoint of this run"


def _errors_of_policies(run: Run) -> Iterator[str]:
    """Yield a usage error for each policy with an id that no check has: the user's own checks are known now."""
    for profile in run.settings.policy:
        try:
            require_checks(profile, check_ids(), run.collected)
        except BadProfile as error:
            yield f"policy {error}"


def judged(item: pytest.Item) -> tuple[Check | None, Endpoint | None]:
    """Return the check and the endpoint of a test; None if it is not a check, or not parametrized by this plugin."""
    if isinstance(item, CheckItem):
        return item.check, item.endpoint
    return check_of(getattr(item, "function", None)), endpoint_of(item)


def endpoint_of(item: pytest.Item) -> Endpoint | None:
    """Return the endpoint of a test; None if it is not parametrized by this plugin."""
    if isinstance(item, CheckItem):
        return item.endpoint
    callspec = getattr(item, "callspec", None)
    endpoint = None if callspec is None else callspec.params.get(fixtures.OURS)
    return endpoint if isinstance(endpoint, Endpoint) else None


def collected_tests(items: list[pytest.Item], run: Run) -> CollectedTests:
    """Return the endpoints that the collected tests need, and the usage errors of these tests."""
    endpoints = dict.fromkeys(str(endpoint) for item in items if (endpoint := endpoint_of(item)) is not None)
    revocation = dict.fromkeys(str(endpoint) for check, endpoint in map(judged, items) if check and check.id == REVOKED)
    return CollectedTests(tuple(endpoints), tuple(dict.fromkeys(run.usage_errors)), tuple(revocation))


def deselected_checks(items: Iterable[pytest.Item]) -> Iterator[tuple[str, str]]:
    """Yield the check and the endpoint of each of these tests that is a check."""
    for item in items:
        check, endpoint = judged(item)
        if check is not None and endpoint is not None:
            yield check.id, str(endpoint)


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
    if not pairs:
        run.usage_errors.append(
            f"{metafunc.definition.nodeid} uses 'host' together with 'endpoint', but no endpoint of this run was found "
            "by logging into a host: name the host with --hosts=ssh://NAME"
        )
    ids = [str(endpoint) for endpoint, _ in pairs]
    metafunc.parametrize((fixtures.OURS, TESTINFRA_HOST), pairs, ids=ids, scope="session", indirect=True)


def _host_of(hostspec: str, run: Run) -> testinfra.host.Host | UnusableHost:
    given = run.settings.testinfra
    options = {key: given[key] for key in (*TESTINFRA, *INVENTORY) if key != "ssh_extra_args"}
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


class Worker:
    """The hooks of a worker."""

    def __init__(self, exchange: Exchange) -> None:
        """Begin without deselected tests."""
        self._exchange = exchange
        self._deselected: list[tuple[str, str]] = []

    def pytest_deselected(self, items: Sequence[pytest.Item]) -> None:
        """Record which checks are deselected, by pytest's own options or by a plugin."""
        self._deselected += deselected_checks(items)

    @pytest.hookimpl(tryfirst=True)  # xdist reports to the controller in the same hook
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Write what the tests need for the controller, which probes before it schedules anything."""
        config: Any = session.config
        run = current_run(config)
        deselected = tuple(map(" ".join, self._deselected))
        collected = replace(collected_tests(session.items, run), deselected=deselected)
        self._exchange.keep_collected(config.workerinput["workerid"], collected)
