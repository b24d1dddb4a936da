"""What stands before each step of a worker: it lets steps pass, holds them, or lets them pass one by one."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class Gate:
    """Open until it is held. Every method may be called from any thread, and only `wait` waits."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._held = False
        self._passes = 0
        """Rounds that may still pass while it is held."""

    @property
    def held(self) -> bool:
        return self._held

    def hold(self) -> None:
        with self._changed:
            self._held = True

    def go_on(self) -> None:
        with self._changed:
            self._held = False
            self._passes = 0
            self._changed.notify_all()

    def step_once(self) -> None:
        """Let one round more pass while it is held."""
        with self._changed:
            self._passes += self._held
            self._changed.notify_all()

    def wait(self, until: Callable[[], bool]) -> float:
        """Before a step: wait while it is held and no pass is left, or until there is another reason to go on.

        Returns the seconds that it was held.
        """
        with self._changed:
            if not self._held:
                return 0.0
            start = time.perf_counter()
            self._changed.wait_for(lambda: not self._held or self._passes > 0 or until())
            return time.perf_counter() - start

    def look(self) -> None:
        """The reason to go on may be there now."""
        with self._changed:
            self._changed.notify_all()

    def passed(self) -> None:
        """After a round: a pass was used."""
        with self._changed:
            self._passes = max(0, self._passes - 1)

    def rest(self) -> None:
        """Nothing is left to step: passes that were not used are none for what comes next."""
        with self._changed:
            self._passes = 0
