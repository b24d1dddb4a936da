"""The one crossing between the worker thread and the UI: a bounded buffer of what happened."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path

from engine import Event

from .messages import Note, Trouble
from .tape import Tape

LIMIT = 1024
Sink = Callable[[Note], bool]


class Buffer:
    """A bounded queue. `put` waits while it is full, and never once the buffer is closed."""

    def __init__(self, limit: int = LIMIT) -> None:
        self.limit = limit
        self._notes: deque[Note] = deque()
        self._changed = threading.Condition()
        self._closed = False

    def put(self, note: Note) -> bool:
        """Add a note from any thread; False when nobody will read it any more."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or len(self._notes) < self.limit)
            if self._closed:
                return False
            self._notes.append(note)
            return True

    def drain(self) -> list[Note]:
        """Everything since the last drain, without waiting."""
        with self._changed:
            notes = list(self._notes)
            self._notes.clear()
            self._changed.notify_all()
        return notes

    def close(self) -> None:
        """Let every waiting `put` go, and refuse what comes later."""
        with self._changed:
            self._closed = True
            self._notes.clear()
            self._changed.notify_all()


class Bridge:
    """Hands a source's notes to the UI and writes the events among them to a recording."""

    def __init__(self, record: Path | None = None, limit: int = LIMIT) -> None:
        self.buffer = Buffer(limit)
        self.tape = Tape(record)

    def send(self, note: Note) -> bool:
        """Called by the worker. A recording that cannot be written ends the recording, not the chat."""
        if isinstance(note, Event):
            try:
                self.tape.write(note)
            except (OSError, ValueError) as error:
                path = self.tape.stop()
                self.buffer.put(Trouble("ask", "Recording", f"Writing {path} failed ({error}); recording has ended."))
        return self.buffer.put(note)

    def drain(self) -> list[Note]:
        return self.buffer.drain()

    def close(self) -> None:
        """Stop taking notes. The recording is closed by `finish`, when the worker has written its last event."""
        self.buffer.close()

    def finish(self) -> None:
        self.tape.stop()
