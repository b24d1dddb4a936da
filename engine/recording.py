"""Events to a file and back: JSON lines, each `{"t": seconds since the first event, "event": ..., ...}`.

The first line says what the file is: `{"helix_recording": 1, "created": ...}`. A gzipped file is read as it is.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import stat
import sys
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
LONGEST = 64 * 2**20
"""Bytes of a line; one round is a few thousand. What has longer ones is something else, such as /dev/zero."""
LAST = 1e9
"""Seconds; a later time, of thirty years, is none."""


class Recorder:
    """Writes events as they come; every line is flushed, so a crash loses at most the event being written."""

    def __init__(self, path: str | Path, clock: Callable[[], float] = time.monotonic) -> None:
        self.path = Path(path)
        try:
            # Half a surrogate pair, which another program's server may send, is written as JSON's own escape of it.
            self._file = os.fdopen(_opened(self.path), "w", encoding="utf-8", errors="backslashreplace")
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
        # A pipe that nobody writes to would be waited for for ever.
        if stat.S_ISFIFO(path.stat().st_mode):
            raise BadRecording(f"{path} is a pipe; a recording must be a file.")
        file = path.open("rb")
    except OSError as error:
        raise BadRecording(f"Cannot read {path}: {error.strerror}; check the file's name.") from None
    with file:
        zipped = file.read(len(GZIP)) == GZIP
        try:
            file.seek(0)
            return list(_parse(path, gzip.open(file) if zipped else file))
        except (EOFError, zlib.error, gzip.BadGzipFile):
            raise BadRecording(f"{path} is damaged or cut short; the recording cannot be played.") from None
        except OSError as error:
            raise BadRecording(f"Cannot read {path}: {error.strerror}; check the file's name.") from None


def _opened(path: Path) -> int:
    """The file, emptied. A pipe that nobody reads is an error, not waited for."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    if sys.platform == "win32":
        return os.open(path, flags | os.O_BINARY, 0o666)
    handle = os.open(path, flags | os.O_NONBLOCK, 0o666)
    os.set_blocking(handle, True)
    return handle


def _lines(file: io.BufferedIOBase | gzip.GzipFile) -> Iterator[tuple[int, bytes, bool]]:
    """(number, line, whether it is the last one). Bytes: text would also be cut at U+2028 inside a reply."""
    number, line = 1, file.readline(LONGEST)
    while line:
        after = file.readline(LONGEST)
        yield number, line, not after
        number, line = number + 1, after


def _parse(path: Path, file: io.BufferedIOBase | gzip.GzipFile) -> Iterator[tuple[float, Event]]:
    number = 0
    for number, line, last in _lines(file):
        try:
            data = json.loads(line)
            if number == 1:
                _check_version(path, data["helix_recording"])
                continue
            yield _time(data.pop("t")), from_json(data)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            if number == 1:
                raise BadRecording(f"{path} is not a Helix recording; make one with --events.") from None
            if last:
                return
            raise BadRecording(
                f"Line {number} of {path} is damaged ({error}); the recording cannot be played."
            ) from None
    if not number:
        raise BadRecording(f"{path} is empty; make a recording with --events.")


def _check_version(path: Path, version: object) -> None:
    if type(version) is not int or version < 1:
        raise ValueError("no version")
    if version > VERSION:
        raise BadRecording(f"{path} was made by a newer Helix; update Helix to play it.")


def _time(value: object) -> float:
    if type(value) not in (int, float) or not 0 <= value <= LAST:  # type: ignore[operator]
        raise ValueError("no time")
    return float(value)  # type: ignore[arg-type]
