"""What commands share: the terminal they need, the streams they write to, and how they end."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from engine import HelixError, InvalidRequest, OutOfMemory


def need_terminal(instead: str) -> None:
    # Textual reads stdin, measures stdout and draws on stderr.
    if not all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr)):
        raise HelixError(f"The app needs a terminal; {instead}")


def check_writable(path: Path) -> None:
    """Raise InvalidRequest unless a file can be written there; nothing is changed yet."""
    folder = path.parent
    if path.is_dir() or not folder.is_dir():
        what = f"{path} is a folder" if path.is_dir() else f"The folder {folder} does not exist"
        raise InvalidRequest(f"{what}; choose another file to record to.")
    if not os.access(path if path.exists() else folder, os.W_OK):
        raise InvalidRequest(f"{path} cannot be written; choose another file to record to.")


def run(application: Any) -> None:
    application.run()
    code = application.return_code or 0
    if getattr(application.source, "alive", False):
        # A worker in the middle of a load cannot be interrupted; the interpreter's own end would abort in it.
        os._exit(code)
    raise typer.Exit(code)


def said(error: HelixError) -> str:
    """Its sentence; of a model that does not fit also the options that would make it fit."""
    offer = error.offer if isinstance(error, OutOfMemory) else None
    if offer is None:
        return str(error)
    words = {
        "dtype": lambda value: f"--dtype {value}",
        "max_context": lambda value: f"--context {value}",
        "kv_memory": lambda value: f"--kv-memory {value // 1_000_000}MB",
        "draft": lambda value: "--draft none",
    }
    options = " ".join(words[name](value) for name, value in offer.changes.items())
    return f"{str(error).rstrip('.')} ({options}, or --fit to have it chosen)."


def complain(sentence: str, code: int) -> int:
    print(f"helix-chat: {sentence}", file=sys.stderr)
    return code


def use_utf8() -> None:
    """Replies are Unicode; a Windows pipe or an old locale is not unless told. What was closed leads nowhere."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            nowhere = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - to the end of the process
            setattr(sys, name, nowhere)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="replace")


@contextlib.contextmanager
def reader_may_leave() -> Iterator[None]:
    """When the reader of stdout, such as `head`, has had enough, end quietly: also in the flush at exit.

    Raises HelixError when the disk is full.
    """
    try:
        yield
        sys.stdout.flush()
    except OSError as error:
        # Windows says EINVAL; a terminal that was closed says EIO.
        if error.errno not in (errno.EPIPE, errno.EINVAL, errno.EIO, errno.ENOSPC, errno.EDQUOT):
            raise
        with Path(os.devnull).open("w") as nowhere:
            os.dup2(nowhere.fileno(), sys.stdout.fileno())
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise HelixError(
                "There is no room left on the disk for what is written; make some, and try again."
            ) from None
