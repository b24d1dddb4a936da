"""Recording what happens, from any moment on, so that it can be played again from there."""

from __future__ import annotations

import contextlib
import threading
from datetime import datetime
from pathlib import Path

from engine import BadRecording, Event, Recorder
from engine.events import Failed, Finished, Loaded, Started

from . import folders


def folder() -> Path:
    """Where recordings made by key are kept."""
    return folders.data() / "recordings"


def new_file(now: datetime) -> Path:
    """A name by date and time that nothing has yet. Raises BadRecording when there can be no such folder."""
    place = folder()
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadRecording(f"Cannot make the folder {place}: {error.strerror}; use --record FILE.") from None
    name = f"{now:%Y-%m-%d-%H%M%S}"
    file, number = place / f"{name}.jsonl", 2
    while file.exists():
        file, number = place / f"{name}-{number}.jsonl", number + 1
    return file


class Tape:
    """Takes every event from the worker; writes them while it runs, which the UI begins and ends.

    A file begun in the middle starts with what a reader needs: the pair that is loaded, and the replies under way.
    """

    def __init__(self, path: Path | None = None) -> None:
        """Runs at once with a `path`. Raises BadRecording."""
        self._lock = threading.Lock()
        self._recorder = Recorder(path) if path is not None else None
        self._loaded: Loaded | None = None
        self._open: set[int] = set()
        self._story: list[Event] = []
        """Of the replies under way."""

    @property
    def running(self) -> bool:
        return self._recorder is not None

    def write(self, event: Event) -> None:
        """Raises OSError or ValueError when the file takes no more."""
        with self._lock:
            self._remember(event)
            if self._recorder is not None:
                self._recorder.write(event)

    def start(self, path: Path) -> None:
        """Raises BadRecording when the file cannot be made."""
        with self._lock:
            recorder = Recorder(path)
            for event in [self._loaded, *self._story]:
                if event is not None:
                    recorder.write(event)
            self._recorder = recorder

    def stop(self) -> Path | None:
        """Close the file and return its path; None when nothing was recorded."""
        with self._lock:
            recorder, self._recorder = self._recorder, None
        if recorder is None:
            return None
        # A full disk is said once, by `write`.
        with contextlib.suppress(OSError):
            recorder.close()
        return recorder.path

    def _remember(self, event: Event) -> None:
        if isinstance(event, Loaded):
            self._loaded = event
            self._open.clear()
        elif isinstance(event, Started):
            self._open.add(event.request)
        if getattr(event, "request", None) in self._open:
            self._story.append(event)
        if isinstance(event, (Finished, Failed)):
            self._open.discard(event.request)
        if not self._open:
            self._story.clear()
