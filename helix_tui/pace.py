"""How often everything is laid out and drawn, which costs a hundred times what one more word on a line does."""

from __future__ import annotations

from collections.abc import Callable

FRAMES = 30
"""Drains of the buffer a second."""
EVERY = 3
"""Every third frame is a whole one: ten a second."""
BEHIND = 0.1
"""Seconds that the view may be behind; when frames come late, the next one is whole."""
SHARE = 0.5
"""Of the time that whole frames may take: the rest is for keys, and for frames that cost little."""


class Pace:
    """Told of every frame; says which are whole. A whole frame's cost is how late the frame after it comes."""

    def __init__(self, clock: Callable[[], float], every: int = EVERY) -> None:
        self.every = every
        self._clock = clock
        self._frames = 0
        self._before = self._whole = clock()
        self._cost = 0.0

    def whole(self) -> bool:
        """Whether this frame is to lay out and draw everything."""
        now = self._clock()
        late = now - self._before - 1 / FRAMES
        if self._frames == 0:
            self._cost = max(0.0, late)
        self._before = now
        self._frames += 1
        since = now - self._whole
        due = self._frames >= self.every or since >= BEHIND * self.every / EVERY
        if not due or 0 < since < self._cost / SHARE:
            return False
        self._frames, self._whole = 0, now
        return True
