"""Keeps what a Dask cluster sends from running code in this process.

Members of a cluster exchange pickles, and a pickle can call any function where it is read. From a scheduler or worker
this process accepts bytes, and exceptions with a text. Everything else in a pickle becomes a value that does nothing.
"""

from __future__ import annotations

import builtins
import io
import pickle
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import distributed
import distributed.client
import distributed.protocol.pickle

_RESULTS: Final = {"bytes": bytes, "str": str}
"""The types of results: the names of which the builtins are used, besides exceptions."""


class Replaced(Exception):
    """What stands for a value of a class or function that is not used; `arguments` are those of the pickle."""

    def __init__(self, *arguments: object, **_: object) -> None:
        """Store the arguments."""
        super().__init__(*arguments)

    def __setstate__(self, _: object) -> None:
        """Take over nothing of a state."""


def _replaced_exception(kind: object, attributes: object, *_: object) -> Exception:
    """Return an exception of the same name that only has a text, in place of the function of tblib that makes one."""
    arguments = attributes.get("args", ()) if isinstance(attributes, dict) else ()
    name = kind.__name__ if isinstance(kind, type) and issubclass(kind, Exception) else "Exception"
    return Replaced(": ".join([name, *map(str, arguments if isinstance(arguments, Iterable) else ())]))


def _no_traceback(*_: object, **__: object) -> None:
    """Return no traceback, in place of the function of tblib that makes one."""


_REPLACED: Final = {
    ("tblib.pickling_support", "unpickle_exception_with_attrs"): _replaced_exception,
    ("tblib.pickling_support", "unpickle_exception"): _replaced_exception,
    ("tblib.pickling_support", "unpickle_traceback"): _no_traceback,
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:  # noqa: ANN401 - a class or function
        """Return what stands for a name: the type of a result or an exception of Python, else what does nothing."""
        if module == "builtins":
            named = getattr(builtins, name, None)
            if name in _RESULTS or (isinstance(named, type) and issubclass(named, Exception)):
                return named
        return _REPLACED.get((module, name), Replaced)


def loads(content: bytes, *, buffers: Iterable[Any] = ()) -> object:
    """Return the bytes, type or exception that a pickle holds, and None for everything else.

    It raises nothing: some callers in Dask would then never report the end of a job.
    """
    try:
        value = _Unpickler(io.BytesIO(content), buffers=buffers).load()
    except Exception:  # noqa: BLE001 - as above; what is not bytes is refused later
        return None
    return value if isinstance(value, bytes | type | Exception) else None


@contextmanager
def no_foreign_code() -> Iterator[None]:
    """Read the pickles of Dask by `loads`, and leave its handlers of messages to print off, while the block runs.

    The modules of Dask have no setting for that. A cluster of this process itself cannot be used meanwhile.
    """
    protocol, client = distributed.protocol.pickle, distributed.client
    before = protocol.loads, client.loads, distributed.Client._default_event_handlers  # noqa: SLF001 - as above
    protocol.loads = client.loads = loads
    distributed.Client._default_event_handlers = {}  # noqa: SLF001 - as above
    try:
        yield
    finally:
        protocol.loads, client.loads, distributed.Client._default_event_handlers = before  # noqa: SLF001 - as above
