"""Plays a recording through the same sink as a living engine, with no model and no torch."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from engine import Event, read_recording

from .bridge import Sink
from .messages import Depth, Question, ReplayEnded, Rewound
from .playback import Playhead, Timeline

SPEEDS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
LONGEST_NAP = 3600.0
LOOP_PAUSE = 4.0
"""Seconds at the end of a recording before a loop begins it again."""


class ReplaySource:
    """Events of a recording with their times. Raises BadRecording for a file that is none."""

    def __init__(
        self,
        path: str | Path,
        speed: float = 1.0,
        *,
        name: str | None = None,
        loop: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if not speed > 0:
            raise ValueError("speed must be above 0")
        self.path = Path(path)
        self.timeline = Timeline(read_recording(self.path))
        self._name = name or self.path.name
        self._loop = loop
        self._head = Playhead(speed, clock)
        self._thread: threading.Thread | None = None
        self._changed = threading.Condition()
        self._closed = self._jumped = self._ended = False
        self._at = 0
        """Events handed out so far."""
        self._sink: Sink = lambda note: False

    @property
    def replay_of(self) -> str | None:
        return self._name

    @property
    def alive(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    @property
    def held(self) -> bool:
        return self._head.held

    @property
    def speed(self) -> float:
        return self._head.speed

    @property
    def position(self) -> float:
        """Seconds from the start, at speed 1."""
        return min(self._head.position, self.timeline.end)

    def start(self, sink: Sink) -> None:
        self._sink = sink
        self._head.seek(0.0)
        self._thread = threading.Thread(target=self._work, name="helix-replay", daemon=True)
        self._thread.start()

    def ask(self, question: Question) -> None:
        """A recording answers no questions."""

    def run(self, questions: Sequence[Question], sink: Sink) -> None:
        """Nor any beside the chat."""

    def stop(self) -> None:
        """A recorded reply ends where it ended."""

    def set_depth(self, depth: Depth) -> None:
        """A recorded depth stays as it was."""

    def hold(self) -> None:
        self._hold(True)

    def go_on(self) -> None:
        self._hold(False)

    def step_once(self) -> None:
        """While held: on to the end of the next round."""
        with self._changed:
            if self._head.held:
                self._head.seek(self.timeline.round_after(self._head.position))
                self._changed.notify_all()

    def _hold(self, held: bool) -> None:
        with self._changed:
            self._head.hold(held)
            self._changed.notify_all()

    def seek(self, position: float) -> None:
        """Go to that many seconds from the start: everything until then is told again at once, as one note."""
        with self._changed:
            self._head.seek(min(max(0.0, position), self.timeline.end))
            self._jumped = True
            self._changed.notify_all()

    def skip(self, seconds: float) -> None:
        self.seek(self.position + seconds)

    def skip_reply(self, by: int) -> None:
        """To the next reply (1), or to the start of this one and then those before it (-1)."""
        self.seek(self.timeline.reply(self.position, by))

    def restart(self) -> None:
        """From the first event, playing."""
        with self._changed:
            self._head.hold(False)
        self.seek(0.0)

    def change_speed(self, by: int) -> float:
        """One step up or down in `SPEEDS`; returns the speed now."""
        with self._changed:
            now = self._head.speed
            steps = [s for s in SPEEDS if (s > now if by > 0 else s < now)]
            if steps:
                self._head.set_speed(steps[0] if by > 0 else steps[-1])
            self._changed.notify_all()
            return self._head.speed

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _work(self) -> None:
        while (note := self._next()) is not None:
            self._sink(note)

    def _next(self) -> Event | Rewound | ReplayEnded | None:
        """Wait for what comes next; None when it is time to leave."""
        line = self.timeline
        with self._changed:
            while not self._closed:
                if self._jumped:
                    self._jumped = self._ended = False
                    self._at = line.count(self._head.position)
                    return Rewound(tuple(line.events[: self._at]))
                if self._at < len(line.events):
                    wait = self._head.until(line.times[self._at])
                    if wait is not None and wait <= 0:
                        self._at += 1
                        return line.events[self._at - 1]
                elif not self._ended:
                    self._ended = True
                    return ReplayEnded()
                elif self._loop:
                    wait = self._head.until(line.end + LOOP_PAUSE)
                    if wait is not None and wait <= 0:
                        self._head.seek(0.0)
                        self._jumped = True
                        continue
                else:
                    wait = None
                # A long pause at a low speed is more than a lock can wait for; it is asked again.
                self._changed.wait(None if wait is None else min(wait, LONGEST_NAP))
        return None
