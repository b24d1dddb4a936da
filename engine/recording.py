"""Events to a file and back: JSON lines, each `{"t": seconds since the first event, "event": ..., ...}`.

The first line says what the file is: `{"helix_recording": 1, "created": ...}`. A gzipped file is read as it is.
"""

from __future__ import annotations

import gzip
import json
import time
import zlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType

from .errors import BadRecording
from .events import Event, from_json

VERSION = 1
GZIP = b"\x1f\x8b"


class Recorder:
    """Writes events as they come; every line is flushed, so a crash loses at most the event being written."""

    def __init__(self, path: str | Path, clock: Callable[[], float] = time.monotonic) -> None:
        self.path = Path(path)
        try:
            self._file = self.path.open("w", encoding="utf-8")
        except OSError as error:
            raise BadRecording(f"Cannot write {self.path}: {error.strerror}; choose another file.") from None
        self._clock = clock
        self._start: float | None = None
        self._line({"helix_recording": VERSION, "created": datetime.now(UTC).isoformat(timespec="seconds")})

    def write(self, event: Event) -> None:
        now = self._clock()
        if self._start is None:
            self._start = now
        self._line({"t": round(now - self._start, 6), **event.to_json()})

    def close(self) -> None:
        self._file.close()

    def _line(self, data: dict[str, object]) -> None:
        self._file.write(json.dumps(data, ensure_ascii=False, separators=(",", ":")) + "\n")
        self._file.flush()

    def __enter__(self) -> Recorder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def read_recording(path: str | Path) -> list[tuple[float, Event]]:
    """All events of a recording with their times, in order.

    A last line cut short by a crash is dropped. Raises BadRecording for a file that is missing or is something else.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BadRecording(f"Cannot read {path}: {error.strerror}; check the file's name.") from None
    if data.startswith(GZIP):
        try:
            data = gzip.decompress(data)
        except (OSError, EOFError, zlib.error):
            raise BadRecording(f"{path} is damaged or cut short; the recording cannot be played.") from None
    # Bytes end lines only at newlines; text would also be cut at U+2028 inside a reply.
    return list(_parse(path, data.splitlines()))


def _parse(path: Path, lines: list[bytes]) -> Iterator[tuple[float, Event]]:
    for number, line in enumerate(lines, 1):
        try:
            data = json.loads(line)
            if number == 1:
                version = data["helix_recording"]
                if version > VERSION:
                    raise BadRecording(f"{path} was made by a newer Helix; update Helix to play it.")
                continue
            yield float(data.pop("t")), from_json(data)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            if number == 1:
                raise BadRecording(f"{path} is not a Helix recording; make one with --events.") from None
            if number == len(lines):
                return
            raise BadRecording(
                f"Line {number} of {path} is damaged ({error}); the recording cannot be played."
            ) from None
    if not lines:
        raise BadRecording(f"{path} is empty; make a recording with --events.")
