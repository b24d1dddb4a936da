"""Where requests are taken in: a bounded queue, a time limit, and an end for every request when the server stops."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, contextmanager
from itertools import count

from ..config import Depth
from ..engine import Engine
from ..errors import from_name
from ..events import Cycle, Event, Failed, Finished, Started
from ..metrics import Metrics
from ..request import Request
from .problems import Problem, problem, stopping
from .settings import ServerSettings


class Desk:
    def __init__(self, engine: Engine, settings: ServerSettings) -> None:
        self.engine = engine
        self.settings = settings
        self.metrics = Metrics()
        self.stopping = False
        self._inside = 0
        self._keys = count()
        self._handles: dict[str, int] = {}
        """Of requests that may be steered, by the name that their client made up: nobody else can guess it."""
        self._out = asyncio.Event()
        """Set when those who are still inside have to go."""

    @contextmanager
    def places(self, wanted: int = 1) -> Iterator[None]:
        """Hold places in the queue. Raises Problem at once where there are none."""
        if self.stopping:
            raise stopping()
        if wanted > self.settings.max_batch:
            limit = self.settings.max_batch
            raise Problem(400, f"Ask for at most {limit} replies at once.", "invalid_request_error")
        if self._inside + wanted > self.settings.max_queue:
            wait = 1 + self.metrics.waiting // 8
            raise Problem(429, "The queue is full; come back later.", "rate_limit_error", "queue_full", retry=wait)
        self._inside += wanted
        try:
            yield
        finally:
            self._inside -= wanted

    async def events(self, request: Request, handle: str | None = None) -> AsyncGenerator[Event, None]:
        """The events of one request, to its Finished. Raises Problem for every other end.

        With a `handle` it can be steered, and a cancel is an end like others.

        Closing it, or cancelling the task that reads, gives the blocks back at the next cycle.
        """
        key = next(self._keys)
        self.metrics.submitted(key)
        out = asyncio.ensure_future(self._out.wait())
        clock = asyncio.get_running_loop().time
        deadline = clock() + self.settings.time_limit
        try:
            async with aclosing(self.engine.astream(request)) as events:
                event: Event | None = None
                while not isinstance(event, Finished):
                    coming = asyncio.ensure_future(anext(events))
                    try:
                        # No asyncio.timeout: the task that reads on may be another than the one that began.
                        await asyncio.wait((coming, out), timeout=deadline - clock(), return_when="FIRST_COMPLETED")
                        if out.done():
                            raise stopping()
                        if not coming.done():
                            raise Problem(504, "The reply took too long.", "server_error", "timeout")
                        event = coming.result()
                    finally:
                        await _cancelled(coming)
                    self.metrics.feed(key, event)
                    if handle is not None and isinstance(event, Started):
                        self._handles[handle] = event.request
                    if isinstance(event, Failed):
                        raise from_name(event.error, event.message)
                    if isinstance(event, Finished) and event.reason == "cancelled" and handle is None:
                        raise stopping()
                    yield event
        except Exception as error:
            raise problem(error) from error
        finally:
            out.cancel()
            self.metrics.left(key)
            self._handles.pop(handle or "", None)

    async def reply(self, request: Request) -> tuple[list[Cycle], Finished]:
        """A whole reply: its cycles and how it ended."""
        cycles: list[Cycle] = []
        async with aclosing(self.events(request)) as events:
            async for event in events:
                if isinstance(event, Cycle):
                    cycles.append(event)
                elif isinstance(event, Finished):
                    return cycles, event
        raise AssertionError("events end with Finished")

    def steer(self, handle: str, depth: Depth | None, cancel: bool) -> None:
        """Change a request that runs. Raises Problem where there is none of that name."""
        if handle not in self._handles:
            raise Problem(404, "No request of that handle is running.", "invalid_request_error")
        if depth is not None:
            self.engine.set_depth(depth, self._handles[handle])
        if cancel:
            self.engine.cancel(self._handles[handle])

    def stop(self) -> None:
        """Take nobody in any more; those who are inside have the time of grace. Called in the event loop."""
        if not self.stopping:
            self.stopping = True
            asyncio.get_running_loop().call_later(self.settings.grace, self._out.set)


async def _cancelled(task: asyncio.Future[Event]) -> None:
    """End a task that may still run, and wait for its end: a generator cannot be closed in the middle of a step."""
    if not task.done():
        task.cancel()
        await asyncio.wait((task,))
