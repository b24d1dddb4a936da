"""Told to go, or the terminal is gone: leave in order, and in any case leave."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType

PATIENCE = 5.0
"""Seconds for an orderly end; then the process goes without one. Nobody is left to see it hang."""
SIGNALS = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))
RESTORED = "\x1b[?1000l\x1b[?1003l\x1b[?1006l\x1b[?1015l\x1b[?2004l\x1b[?1004l\x1b[<u\x1b[?1049l\x1b[?25h"
"""No mouse, no marked pastes, no focus reports, plain keys; the screen from before, and its cursor."""


class Told:
    """Which signal asked the app to leave: 0 for none."""

    def __init__(self) -> None:
        self.number = 0

    @property
    def code(self) -> int:
        """The exit code, as a shell counts them."""
        return 128 + self.number if self.number else 0


class Terminated(SystemExit):
    """A signal as an exception: what is open is closed on the way out."""


@contextlib.contextmanager
def signals_kept() -> Iterator[None]:
    """Afterwards signals do what they did before: there is no loop any more that could be told."""
    before = {number: signal.getsignal(number) for number in (*SIGNALS, signal.SIGINT)} if _is_main() else {}
    try:
        yield
    finally:
        for number, handler in before.items():
            if handler is not None:
                signal.signal(number, handler)


def obey_signals(leave: Callable[[], object]) -> Told:
    """From the running loop: SIGTERM, SIGHUP and SIGINT call `leave` there. Does nothing where that cannot be."""
    loop, told, restore = asyncio.get_running_loop(), Told(), _terminal()

    def tell(number: int, frame: FrameType | None) -> None:
        told.number = told.number or number
        _guard(number, restore)
        # The loop may have ended between the last key and now.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(leave)

    if _is_main():
        for number in (*SIGNALS, signal.SIGINT):
            # Not the loop's own handlers: those wait for a loop that may be waiting for a terminal that is gone.
            signal.signal(number, tell)
    return told


@contextlib.contextmanager
def ending_in_order() -> Iterator[None]:
    """For what runs without a loop: SIGTERM and SIGHUP raise Terminated here, so that text so far is kept."""
    if not _is_main():
        yield
        return

    def tell(number: int, frame: FrameType | None) -> None:
        for each in SIGNALS:
            signal.signal(each, signal.SIG_IGN)
        _guard(number, lambda: None)
        raise Terminated(128 + number)

    before = {number: signal.signal(number, tell) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _is_main() -> bool:
    return threading.current_thread() is threading.main_thread()


def _guard(number: int, restore: Callable[[], object]) -> None:
    """When the orderly end does not come, end anyway."""

    def end() -> None:
        with contextlib.suppress(Exception):
            restore()
        os._exit(128 + number)

    guard = threading.Timer(PATIENCE, end)
    guard.daemon = True
    guard.start()


def _terminal() -> Callable[[], object]:
    """How to give the terminal back as it is now, from any thread."""
    if sys.platform == "win32":
        return lambda: None
    import termios

    try:
        attributes = termios.tcgetattr(0)
    except (OSError, termios.error):
        return lambda: None

    def restore() -> None:
        termios.tcsetattr(0, termios.TCSANOW, attributes)
        if (screen := sys.__stderr__) is not None:
            os.write(screen.fileno(), RESTORED.encode())

    return restore
