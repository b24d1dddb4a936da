"""Wait for what another thread brings about, with patience for a machine that is busy; or set the time oneself."""

from __future__ import annotations

import time
from collections.abc import Callable

PATIENCE = 120.0
"""Seconds; only a test that fails waits so long."""


def until(condition: Callable[[], object], patience: float = PATIENCE) -> None:
    """Return once the condition holds, or fail."""
    give_up = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < give_up, "waited in vain"
        time.sleep(0.005)


class Clock:
    """Moved by the test; a source that waits for it looks again when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now
