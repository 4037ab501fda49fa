"""What a run reads of the pickles of a Dask cluster: bytes, types and texts of exceptions, and nothing that runs."""

from __future__ import annotations

import builtins
import importlib
import os
import pickle
from functools import partial
from pathlib import Path

import pytest

pytest.importorskip("distributed")

from pytest_sslaudit.fleet.dask_messages import loads, no_foreign_code


class Calling:
    """A value whose pickle calls a function where it is read."""

    def __init__(self, function: object, *arguments: object) -> None:
        self.called = function, arguments

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return self.called


class OwnError(Exception):
    """An exception of a module that the run does not import for it."""


@pytest.mark.parametrize("value", [b"", b"rows", bytes, ValueError])
def test_bytes_and_types_are_read(value: object) -> None:
    assert loads(pickle.dumps(value)) == value


@pytest.mark.parametrize("error", [ValueError("a text"), OSError(2, "a text"), OwnError("a text")])
def test_exception_is_read_with_its_text(error: Exception) -> None:
    importlib.import_module("tblib.pickling_support").install(error)  # as Dask does
    read = loads(pickle.dumps(error))
    assert isinstance(read, Exception)
    assert "a text" in str(read)


@pytest.mark.parametrize(
    "function",
    [os.mkdir, Path.mkdir, partial(os.mkdir), builtins.eval, builtins.exec, builtins.__import__, getattr, Path],
)
def test_function_in_a_pickle_is_not_called(function: object, tmp_path: Path) -> None:
    called = tmp_path / "called"
    read = loads(pickle.dumps(Calling(function, str(called))))
    assert read is None or type(read).__name__ == "Replaced"
    assert not called.exists()


@pytest.mark.parametrize(
    "content", [b"", b"cos\nsystem\n", b"\x80\x05.", b"(" * 10_000, pickle.dumps(["rows"]), pickle.dumps({1: 2})]
)
def test_any_other_pickle_is_nothing(content: bytes) -> None:
    assert loads(content) is None


def test_dask_reads_pickles_itself_again_afterwards() -> None:
    import distributed.client  # noqa: PLC0415 - only with Dask
    import distributed.protocol.pickle  # noqa: PLC0415 - as above

    before = distributed.protocol.pickle.loads
    with no_foreign_code():
        assert distributed.protocol.pickle.loads is distributed.client.loads is loads
    assert distributed.protocol.pickle.loads is distributed.client.loads is before
