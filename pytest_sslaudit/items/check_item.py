"""The test of one check for one endpoint: it takes its facts from the run, without fixtures.

A check whose parameters are all facts of the audit is a `CheckItem`. A check with other fixtures, with marks, or
in a class is an ordinary item of pytest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, MutableMapping, Sequence
from functools import cache, cached_property, lru_cache, partial
from pathlib import Path
from types import CodeType
from typing import Any, Final

import pytest
from _pytest.mark.structures import NodeKeywords
from _pytest.python import FunctionDefinition

from audit.checks import Check
from audit.endpoint import Endpoint
from audit.evaluation.chains import JudgedChain, combined
from audit.evaluation.evaluate import CheckFunction
from pytest_sslaudit import fixtures
from pytest_sslaudit.items.judging import judge
from pytest_sslaudit.outcome import outcome_of_test
from pytest_sslaudit.run_state import current_run

JUDGED_CHAINS: Final = pytest.StashKey[tuple[JudgedChain, ...]]()
"""What a test raised for each chain, from its call until its report."""


class CheckItem(pytest.Item):
    """A check of an endpoint, a host or the run."""

    def __init__(
        self,
        *,
        function: CheckFunction,
        check: Check,
        endpoint: Endpoint,
        **given: Any,  # noqa: ANN401 - as pytest.Item
    ) -> None:
        """Keep what is judged."""
        super().__init__(**given)
        self.function, self.check, self.endpoint = function, check, endpoint
        self.own_markers.append(_mark())
        del self.__dict__["keywords"], self.__dict__["extra_keyword_matches"]

    @cached_property
    def keywords(self) -> MutableMapping[str, Any]:  # type: ignore[override]  # as below
        """The names and markers, made when they are first read: few runs do, and each test would keep them."""
        keywords = NodeKeywords(self)
        keywords.update({mark.name: mark for mark in self.own_markers})
        return keywords

    @cached_property
    def extra_keyword_matches(self) -> set[str]:  # type: ignore[override]  # pytest makes it for each test
        """The names for `-k`: the id of the check."""
        return {keyword_of(self.check.id)}

    def runtest(self) -> None:
        """Raise what decides the verdict, if something does."""
        judged_chains = self.judge()
        decisive, _ = combined(judged_chains, partial(outcome_of_test, self.function))
        self.stash[JUDGED_CHAINS] = judged_chains
        if decisive.error is not None:
            raise decisive.error

    def judge(self) -> tuple[JudgedChain, ...]:
        """Return what the check raises for each chain of its endpoint."""
        return judge(current_run(self.config), self.function, self.endpoint)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:  # noqa: ANN401 - as pytest
        """Return the trace of an exception from the function of the check on."""
        place, line, _ = self.reportinfo()
        excinfo.traceback = excinfo.traceback.cut(path=place, firstlineno=line)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[str, int, str]:
        """Return the file, the line and the name."""
        code = self.function.__code__
        return code.co_filename, code.co_firstlineno - 1, self.name

    @cached_property
    def location(self) -> tuple[str, int | None, str]:
        """The file relative to pytest's root, the line, and the name."""
        return *_place_of(self.session, self.function.__code__), self.name

    def _initrequest(self) -> None:
        """Do nothing: plugins that repeat tests call this method of a test, so that its fixtures are set up again."""


def check_items(
    collector: pytest.Module, name: str, function: CheckFunction, check: Check, endpoints: Sequence[Endpoint]
) -> Iterator[CheckItem]:
    """Yield the test of a check for each endpoint."""
    node_id_of = _node_ids(collector, name)
    for endpoint in endpoints:
        parameter = parameter_of(endpoint)
        yield CheckItem.from_parent(
            collector,
            name=f"{name}[{parameter}]",
            nodeid=node_id_of(parameter),
            function=function,
            check=check,
            endpoint=endpoint,
        )


@cache
def _place_of(session: pytest.Session, code: CodeType) -> tuple[str, int]:
    """Return the file and the line of a function as pytest has them in reports."""
    return session._node_location_to_relpath(Path(code.co_filename)), code.co_firstlineno - 1  # noqa: SLF001 - as pytest does


def _node_ids(collector: pytest.Module, name: str) -> Callable[[str], Any]:
    """Return the function that makes the id of a test of its parameter, which `--lf` compares."""
    of_module = getattr(collector, "id", None)
    if of_module is None:  # pytest before 9.2, whose ids are texts
        return lambda parameter: f"{collector.nodeid}::{name}[{parameter}]"
    return of_module.child(name).with_params  # type: ignore[no-any-return]  # its parts are shared by all tests


@lru_cache(maxsize=65536)
def parameter_of(endpoint: Endpoint) -> str:
    """Return the id of an endpoint as pytest has it in the names of tests; one text for all checks."""
    text = str(endpoint)
    return text if text.isascii() else text.encode("unicode_escape").decode("ascii")


@cache
def _mark() -> pytest.Mark:
    """Return the marker of the tests of the audit, one for all."""
    return pytest.mark.sslaudit.mark


def keyword_of(check_id: str) -> str:
    """Return a keyword of a check that is part of no other keyword, as `dcv.firewall` is of `dcv.firewall-narrow`."""
    return f"[{check_id}]"


def needs_only_facts(collector: pytest.Module, name: str, function: CheckFunction) -> bool:
    """Return whether the fixtures of this plugin are all that a function needs, and no mark changes how it is run."""
    if getattr(function, "pytestmark", ()) or any(node.own_markers for node in collector.listchain()):
        return False
    information = FunctionDefinition.from_parent(collector, name=name, callobj=function)._fixtureinfo  # noqa: SLF001 - pytest has no public way to read fixtures
    definitions = information.name2fixturedefs
    return all(name == "request" or are_ours(definitions.get(name)) for name in information.names_closure)


def are_ours(definitions: Sequence[pytest.FixtureDef[Any]] | None) -> bool:
    """Return whether the definition of a fixture that counts is one of this plugin, and not one of a test suite."""
    return bool(definitions and definitions[-1].func.__module__ == fixtures.__name__)
