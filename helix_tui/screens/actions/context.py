"""The end of the context is said before it comes."""

from __future__ import annotations

from ...render.top_bar import fullness
from ..core import ChatCore


class ContextWarning(ChatCore):
    _warned = False

    def mark(self) -> None:
        super().mark()
        loaded = self.figures.loaded
        words = fullness(loaded.context, self.figures.pool.tokens) if loaded is not None else None
        if words is not None and not self._warned and not self.replaying:
            self.notify(words, severity="warning", timeout=12, markup=False)
        # Said once, and again only after there was room.
        self._warned = words is not None
