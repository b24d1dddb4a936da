"""Told to go, or the terminal is gone: leave in order, and in any case leave."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Callable
from contextlib import suppress

PATIENCE = 5.0
"""Seconds for an orderly end; then the process goes without one. Nobody is left to see it hang."""


def obey_signals(leave: Callable[[], object]) -> None:
    """From the running loop: SIGTERM and SIGHUP call `leave` there. Does nothing where that cannot be."""
    loop = asyncio.get_running_loop()

    def told(number: int, frame: object) -> None:
        guard = threading.Timer(PATIENCE, os._exit, (128 + number,))
        guard.daemon = True
        guard.start()
        loop.call_soon_threadsafe(leave)

    for name in ("SIGTERM", "SIGHUP"):
        # Not the loop's own handlers: those wait for a loop that may be waiting for a terminal that is gone.
        with suppress(AttributeError, ValueError):
            signal.signal(getattr(signal, name), told)
