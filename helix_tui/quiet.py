"""Keeps everything that is not the app off the screen while the app runs.

Libraries print progress bars, warnings and native messages. Textual draws on `sys.__stderr__` (POSIX) or
`sys.__stdout__` (Windows), so the screen gets its own duplicate of the terminal's descriptor, and the descriptors that
others write to lead to a log file.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from . import folders

ENVIRONMENT = {
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "TRANSFORMERS_VERBOSITY": "error",
    "TOKENIZERS_PARALLELISM": "false",
}
LOG_LIMIT = 1_000_000


def log_path() -> Path:
    """Where the log is written."""
    return folders.log() / "helix-chat.log"


def hush_libraries() -> None:
    """Ask the libraries to be silent, before they are imported. What the person set stays."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)


@contextlib.contextmanager
def quiet(path: Path | None = None) -> Iterator[Path]:
    """Route logging, warnings and native writes to the log file until the block ends."""
    hush_libraries()
    log = _open_log(path or log_path())
    handler = logging.FileHandler(log, encoding="utf-8", delay=True)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger()
    before = root.handlers[:]
    root.handlers[:] = [handler]
    logging.captureWarnings(True)
    try:
        with _guard(log):
            yield log
    finally:
        logging.captureWarnings(False)
        root.handlers[:] = before
        handler.close()


def _open_log(path: Path) -> Path:
    """A log that can be written: the given one, or nowhere when its folder cannot be made."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and path.stat().st_size > LOG_LIMIT:
            path.replace(path.with_suffix(".old.log"))
        path.touch()
    except OSError:
        return Path(os.devnull)
    return path


@contextlib.contextmanager
def _guard(log: Path) -> Iterator[None]:
    """Point the shared descriptors at the log, after giving Textual a private one of the terminal."""
    if sys.platform == "win32":
        with _redirected(log, 2):
            yield
        return
    terminal = next((fd for fd in (2, 1) if os.isatty(fd)), None)
    if terminal is None:
        yield
        return
    screen = os.fdopen(os.dup(terminal), "w", encoding="utf-8", errors="replace")
    streams = sys.__stdout__, sys.__stderr__, sys.stderr
    # Textual asks __stdout__ for the terminal's size, draws on __stderr__, and reports a crash on stderr at the end.
    _set_streams(screen, screen, screen)
    try:
        with _redirected(log, *(fd for fd in (1, 2) if os.isatty(fd))):
            yield
    finally:
        _set_streams(*streams)
        screen.close()


def _set_streams(out: TextIO | None, err: TextIO | None, stderr: TextIO) -> None:
    sys.__stdout__ = out  # type: ignore[misc, assignment]
    sys.__stderr__ = err  # type: ignore[misc, assignment]
    sys.stderr = stderr


@contextlib.contextmanager
def _redirected(log: Path, *descriptors: int) -> Iterator[None]:
    """Make each descriptor write to the log, and lead where it led before afterwards."""
    target = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    saved = [(fd, os.dup(fd)) for fd in descriptors]
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    for fd, _ in saved:
        os.dup2(target, fd)
    os.close(target)
    try:
        yield
    finally:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                with contextlib.suppress(OSError, ValueError):
                    stream.flush()
        for fd, copy in saved:
            os.dup2(copy, fd)
            os.close(copy)
