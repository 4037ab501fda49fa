"""A client of a Dask cluster, in a thread of its own: what the cluster reports comes as events through one queue.

A job is pinned to one worker, and its result is fetched and released at once. A worker that is lost later holds no
result that Dask would compute again.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import queue
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AsyncExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import dask.config
from distributed import Client, LocalCluster, Security

from audit.text import MAX_MESSAGE, one_line
from pytest_sslaudit.fleet.cluster import Answered, Event, Failed, FleetFault, Gone, Present
from pytest_sslaudit.fleet.dask_messages import no_foreign_code
from pytest_sslaudit.fleet.schedulers import DaskCluster
from pytest_sslaudit.fleet.tls_files import TlsFiles

_LOOK_S: Final = 1.0  # how often the workers are listed
_CONNECT_S: Final = 10.0
_REPLY_S: Final = 60.0  # of a function that a worker runs at once, such as the first import of the product
_GOODBYE_S: Final = 5.0
_LOST_S: Final = 0.5
_ENDED_S: Final = 30.0
_CLOSED: Final = "it closed the connection"


class ClusterClient:
    """A cluster in use. One thread calls its methods; another one runs the event loop of Dask."""

    def __init__(
        self, cluster: DaskCluster, run: str, folder: Path, warm_up: Callable[[], object] | None = None
    ) -> None:
        """Connect, or start the workers with their files in a folder; `run` is a name for the jobs. Raises FleetFault.

        Every worker calls `warm_up` when it is first seen: what it imports is there when the first job comes.
        """
        self._cluster, self._run, self._folder, self._warm_up = cluster, run, folder, warm_up
        self._tasks = itertools.count(1)
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._jobs: dict[int, asyncio.Task[None]] = {}
        self._ready = threading.Event()
        self._fault: Exception | None = None
        self.workers = 0  # how many the cluster had at the last look
        self._stop_workers: Callable[..., object] | None = None
        self._loop, self._end = asyncio.new_event_loop(), asyncio.Event()
        self._loop.set_exception_handler(
            lambda *_: None
        )  # Dask drops futures with exceptions; asyncio would print them
        self._thread = threading.Thread(target=self._serve, name="dask-client", daemon=True)
        self._thread.start()
        try:
            self._ready.wait()
        except BaseException:  # an interrupt while it connects
            self.close()
            raise
        if self._fault:
            raise FleetFault(f"{cluster} cannot be used: {_text(self._fault)}") from self._fault

    def next_event(self, timeout_s: float) -> Event | None:
        """Return the next event, None if there is none for so long."""
        with suppress(queue.Empty):
            return self._events.get(timeout=timeout_s)
        return None

    def call(self, worker: str, job: int, function: Callable[..., bytes], *arguments: object) -> None:
        """Have a worker run a function at once, beside its tasks; its end is an event."""
        self._do(self._begin, job, lambda: self._called(worker, function, arguments))

    def submit(self, worker: str, job: int, function: Callable[..., bytes], *arguments: object) -> None:
        """Submit a task to this worker and no other; its end is an event."""
        self._do(self._begin, job, lambda: self._submitted(worker, function, arguments))

    def drop(self, job: int) -> None:
        """Cancel a job; no event of it comes, unless it is in the queue already."""
        self._do(self._cancel, job)

    def close(self, stop_workers: Callable[..., object] | None = None) -> None:
        """End the client, with all jobs and the processes of this run; all workers call `stop_workers` first."""
        self._stop_workers = stop_workers
        self._do(self._end.set)
        self._thread.join(_ENDED_S)

    def _do(self, function: Callable[..., object], *arguments: object) -> None:
        """Call a function in the event loop, unless that has ended."""
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(function, *arguments)

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._main())
        except Exception as error:  # noqa: BLE001 - the boundary of the thread: the caller raises it
            self._fault = error
        finally:
            self._events.put(Gone("the connection was closed"))
            self._ready.set()
            self._loop.close()

    async def _main(self) -> None:
        async with AsyncExitStack() as opened:
            opened.enter_context(_quiet())
            main = asyncio.create_task(self._use(opened))
            end = asyncio.create_task(self._end.wait())
            await asyncio.wait((main, end), return_when=asyncio.FIRST_COMPLETED)
            for task in (main, end):
                task.cancel()
            await self._cancel_all()
            with suppress(asyncio.CancelledError):
                await main

    async def _use(self, opened: AsyncExitStack) -> None:
        """Connect, then report the workers until the scheduler is lost."""
        if self._cluster.url:
            opened.enter_context(no_foreign_code())
            place: str | LocalCluster = self._cluster.url
        else:
            opened.enter_context(dask.config.set(temporary_directory=str(self._folder)))  # of the scheduler
            place = await opened.enter_async_context(_local_cluster(self._cluster.processes, str(self._folder)))
        security = _security(self._cluster.tls) if self._cluster.url else None
        self._client = Client(place, security=security, asynchronous=True, timeout=_CONNECT_S, set_as_default=False)
        opened.push_async_callback(self._close_client)
        await self._client
        await self._report_workers()

    async def _close_client(self) -> None:
        is_connected = self._client.status == "running"
        with suppress(Exception):  # the scheduler may be lost
            if self._stop_workers and is_connected:
                await asyncio.wait_for(self._client.run(self._stop_workers, self._run, on_error="ignore"), _GOODBYE_S)
        with suppress(Exception):  # as above
            await self._client.close(timeout=_GOODBYE_S if is_connected else _LOST_S)

    async def _report_workers(self) -> None:
        """Report the workers until the connection ends, or the scheduler has not responded for `wait_s` seconds."""
        workers, seen_at = frozenset[str](), self._loop.time()
        while self._client.status == "running":
            try:
                identity = await asyncio.wait_for(self._client.scheduler.identity(n_workers=-1), _CONNECT_S)
            except (OSError, TimeoutError) as error:  # a busy scheduler responds later
                if self._loop.time() - seen_at > self._cluster.wait_s:
                    self._events.put(Gone(_text(error)))
                    return
                await asyncio.sleep(_LOOK_S)
                continue
            seen_at = self._loop.time()
            workers, known = frozenset(map(str, identity["workers"])), workers
            self.workers = len(workers)
            self._events.put(Present(workers))
            self._ready.set()
            if self._warm_up and workers - known:
                with suppress(OSError):  # a worker is lost; the next look reports it
                    await self._client.run(self._warm_up, workers=[*workers - known], wait=False, on_error="ignore")
            await asyncio.sleep(_LOOK_S)
        self._events.put(Gone(_CLOSED))

    def _begin(self, job: int, start: Callable[[], Coroutine[Any, Any, object]]) -> None:
        self._jobs[job] = task = self._loop.create_task(self._reported(job, start))
        task.add_done_callback(lambda _: self._jobs.pop(job, None))

    def _cancel(self, job: int) -> None:
        if task := self._jobs.get(job):
            task.cancel()

    async def _cancel_all(self) -> None:
        tasks = tuple(self._jobs.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _reported(self, job: int, start: Callable[[], Coroutine[Any, Any, object]]) -> None:
        try:
            content = await start()
        except asyncio.CancelledError:
            raise
        except Exception as error:  # noqa: BLE001 - the boundary of a job: the others go on
            is_lost = self._client.status != "running"
            self._events.put(Gone(_CLOSED) if is_lost else Failed(job, _text(error)))
        else:
            self._events.put(Answered(job, content))

    async def _called(self, worker: str, function: Callable[..., bytes], arguments: tuple[object, ...]) -> object:
        async with asyncio.timeout(_REPLY_S):
            replies = await self._client.run(function, *arguments, workers=[worker])
        return replies[worker]

    async def _submitted(self, worker: str, function: Callable[..., bytes], arguments: tuple[object, ...]) -> object:
        future = self._client.submit(
            function,
            *arguments,
            key=f"{self._run}-{next(self._tasks)}",
            workers=[worker],
            allow_other_workers=False,
            pure=False,
        )
        try:
            return await future.result()
        except asyncio.CancelledError:
            if self._client.status == "running":
                await self._client.cancel([future], force=True)
            raise
        finally:
            future.release()


def _security(tls: TlsFiles | None) -> Security:
    if tls is None:
        return Security()
    return Security(
        tls_ca_file=str(tls.ca),
        tls_client_cert=str(tls.certificate),
        tls_client_key=str(tls.key),
        require_encryption=True,
    )


def _local_cluster(workers: int, folder: str) -> LocalCluster:
    """Return a cluster of processes of this machine, with TLS and a directory of its own, away from other users."""
    return LocalCluster(
        n_workers=workers,
        threads_per_worker=1,
        processes=True,
        security=Security.temporary(),
        dashboard_address="127.0.0.1:0",
        worker_dashboard_address="127.0.0.1:0",
        local_directory=folder,
        asynchronous=True,
        silence_logs=logging.CRITICAL,
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Have Dask print nothing: what matters is reported by the run."""
    names = [name for name in logging.root.manager.loggerDict if name.partition(".")[0] == "distributed"]
    before = {logger: logger.level for logger in map(logging.getLogger, names)}
    for logger in before:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for logger, level in before.items():
            logger.setLevel(level)


def _text(error: BaseException) -> str:
    return one_line(str(error) or type(error).__name__, MAX_MESSAGE)
