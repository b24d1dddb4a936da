"""A thread that steps the engine while somebody awaits its events."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Driver:
    """Started when first woken; sleeps when a step had nothing to do."""

    def __init__(self, step: Callable[[], bool]) -> None:
        """`step` must not raise; it returns whether it is worth calling again at once."""
        self._step = step
        self._awake = threading.Event()
        self._closing = False
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None

    def wake(self) -> None:
        """There may be something to do. Returns at once, from any thread."""
        self._awake.set()
        with self._starting:
            if self._thread is None and not self._closing:
                self._thread = threading.Thread(target=self._run, name="helix-driver", daemon=True)
                self._thread.start()

    def close(self) -> None:
        """End after the step that runs."""
        with self._starting:
            self._closing = True
        self._awake.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()

    def _run(self) -> None:
        while not self._closing:
            self._awake.wait()
            self._awake.clear()
            while not self._closing and self._step():
                pass
