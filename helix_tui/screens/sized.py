"""A screen whose classes follow its size before anything is laid out in it."""

from __future__ import annotations

from textual.geometry import Size
from textual.screen import Screen


class SizedScreen(Screen[None]):
    """Textual sets the breakpoint classes after it drew a resize: an old layout for a frame, and text wrapped twice."""

    def _screen_resized(self, size: Size) -> None:
        wanted = self._get_breakpoint_classes(size.width, self.HORIZONTAL_BREAKPOINTS or [])
        wanted |= self._get_breakpoint_classes(size.height, self.VERTICAL_BREAKPOINTS or [])
        known = [name for _, name in (self.HORIZONTAL_BREAKPOINTS or []) + (self.VERTICAL_BREAKPOINTS or [])]
        self.update_classes({name: name in wanted for name in known}, animate=False)
        super()._screen_resized(size)
