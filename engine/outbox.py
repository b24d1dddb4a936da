"""Events on their way to one consumer."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from .events import Event

LIMIT = 256
"""Events that may wait for a reader."""


class Outbox:
    """Nobody is asked to remember for a slow reader: while `resting`, the requests that write here are not run."""

    def __init__(self, arrived: Callable[[], None] = lambda: None, limit: int = LIMIT) -> None:
        """`arrived` is called, on the thread that steps, after each event."""
        self._events: deque[Event] = deque()
        self._arrived = arrived
        self._limit = limit
        self.resting = False
        """From full until half empty: at the brim a request would stop and go with every event."""

    def __len__(self) -> int:
        return len(self._events)

    def put(self, event: Event) -> None:
        self._events.append(event)
        if len(self._events) >= self._limit:
            self.resting = True
        self._arrived()

    def take(self) -> Event | None:
        """The oldest event, or None."""
        event = self._events.popleft() if self._events else None
        if len(self._events) <= self._limit // 2:
            self.resting = False
        return event
