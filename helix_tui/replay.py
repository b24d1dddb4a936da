"""Plays a recording through the same sink as a living engine, with no model and no torch."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

from engine import Event, read_recording
from engine.events import Cycle, Failed, Finished, Prefilled, Started

from .bridge import Sink
from .messages import Depth, Question, ReplayEnded, Rewound

LONGEST_WAIT = 1.0
"""Seconds of a pause in which nothing ran: nobody wants to watch a recorded person think."""


def timeline(recording: list[tuple[float, Event]], speed: float = 1.0) -> list[tuple[float, Event]]:
    """(seconds to wait before it, event): recorded waits over `speed`, those between replies shortened."""
    steps: list[tuple[float, Event]] = []
    before = recording[0][0] if recording else 0.0
    running = False
    for at, event in recording:
        wait = max(0.0, at - before)
        before = at
        steps.append(((wait if running else min(wait, LONGEST_WAIT)) / speed, event))
        if isinstance(event, (Started, Prefilled, Cycle)):
            running = True
        elif isinstance(event, (Finished, Failed)):
            running = False
    return steps


class ReplaySource:
    """Events of a recording with their times. Raises BadRecording for a file that is none."""

    def __init__(self, path: str | Path, speed: float = 1.0) -> None:
        if not speed > 0:
            raise ValueError("speed must be above 0")
        self.path = Path(path)
        self.speed = speed
        self._steps = timeline(read_recording(self.path), speed)
        self._thread: threading.Thread | None = None
        self._changed = threading.Condition()
        self._paused = self._closed = False
        self._at = 0
        self._sink: Sink = lambda note: False

    @property
    def replay_of(self) -> str | None:
        return self.path.name

    @property
    def alive(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    @property
    def paused(self) -> bool:
        return self._paused

    def start(self, sink: Sink) -> None:
        self._sink = sink
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

    def toggle_pause(self) -> bool:
        """Hold or go on; returns whether it is held now."""
        with self._changed:
            self._paused = not self._paused
            self._changed.notify_all()
            return self._paused

    def restart(self) -> None:
        """From the first event, playing."""
        with self._changed:
            self._at = -1
            self._paused = False
            self._changed.notify_all()

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _work(self) -> None:
        while (note := self._next()) is not None:
            self._sink(note)

    def _next(self) -> Event | Rewound | ReplayEnded | None:
        """Wait for what comes next; None when it is time to leave."""
        end = len(self._steps)
        with self._changed:
            while not self._closed:
                if self._at < 0:
                    self._at = 0
                    return Rewound()
                if self._at < end:
                    wait, event = self._steps[self._at]
                    if self._due(wait):
                        self._at += 1
                        return event
                elif self._at == end:
                    self._at += 1
                    return ReplayEnded()
                else:
                    self._changed.wait_for(lambda: self._closed or self._at < 0)
        return None

    def _due(self, seconds: float) -> bool:
        """Wait that long, or as long as it is held; False when something else is to be done first."""
        place = self._at
        self._changed.wait_for(lambda: self._closed or self._paused or self._at != place, seconds)
        self._changed.wait_for(lambda: self._closed or not self._paused or self._at != place)
        return not self._closed and self._at == place
