"""A recording as a time line, and the place on it that is being played."""

from __future__ import annotations

import time
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence

from engine import Event
from engine.events import Cycle, Failed, Finished, Prefilled, Started

LONGEST_WAIT = 1.0
"""Seconds of a pause in which nothing ran: nobody wants to watch a recorded person think."""
JUST_BEGUN = 1.0
"""Seconds into a reply within which "back" means the reply before."""


class Timeline:
    """Events and when each comes, in seconds from the first; pauses between replies are shortened."""

    def __init__(self, recording: Sequence[tuple[float, Event]]) -> None:
        self.events: list[Event] = []
        self.times: list[float] = []
        self.marks: list[float] = []
        """When each reply begins."""
        running, before, now = False, recording[0][0] if recording else 0.0, 0.0
        for at, event in recording:
            wait = max(0.0, at - before)
            before = at
            now += wait if running else min(wait, LONGEST_WAIT)
            self.events.append(event)
            self.times.append(now)
            if isinstance(event, Started):
                self.marks.append(now)
            if isinstance(event, (Started, Prefilled, Cycle)):
                running = True
            elif isinstance(event, (Finished, Failed)):
                running = False

    @property
    def end(self) -> float:
        return self.times[-1] if self.times else 0.0

    def count(self, position: float) -> int:
        """How many events have come by then."""
        return bisect_right(self.times, position)

    def round_after(self, position: float) -> float:
        """When the next round has come, and the end of the reply where it is the last one."""
        for at in range(self.count(position), len(self.events)):
            if isinstance(self.events[at], Cycle):
                last = isinstance(self.events[min(at + 1, len(self.events) - 1)], Finished)
                return self.times[at + last]
        return self.end

    def reply(self, position: float, by: int) -> float:
        """Where the next reply begins (`by` 1), or this one and then those before it (-1)."""
        if by > 0:
            after = bisect_right(self.marks, position)
            return self.marks[after] if after < len(self.marks) else self.end
        at = bisect_left(self.marks, position - JUST_BEGUN) - 1
        return self.marks[at] if at >= 0 else 0.0


class Playhead:
    """A position in seconds that moves with the clock times `speed`, unless it is held."""

    def __init__(self, speed: float = 1.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._speed = speed
        self._held = False
        self._place = 0.0
        self._since = clock()

    @property
    def position(self) -> float:
        return self._place if self._held else self._place + (self._clock() - self._since) * self._speed

    @property
    def speed(self) -> float:
        return self._speed

    @property
    def held(self) -> bool:
        return self._held

    def until(self, position: float) -> float | None:
        """Seconds to wait for that position, none or fewer when it is past; None while held short of it."""
        left = position - self.position
        return None if self._held and left > 0 else left / self._speed

    def seek(self, position: float) -> None:
        self._place, self._since = position, self._clock()

    def hold(self, held: bool) -> None:
        self.seek(self.position)
        self._held = held

    def set_speed(self, speed: float) -> None:
        self.seek(self.position)
        self._speed = speed
