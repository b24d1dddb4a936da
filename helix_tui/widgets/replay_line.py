"""The line under a replay, where a living chat has its prompt."""

from __future__ import annotations

from textual.content import Content
from textual.widget import Widget

from ..render.progress import progress
from ..replay import ReplaySource


class ReplayLine(Widget):
    """Looks at the source again with every `follow`."""

    can_focus = False

    def __init__(self, source: ReplaySource) -> None:
        super().__init__()
        self.source = source
        self._drawn = ""

    def follow(self) -> None:
        """Draw again if there is anything new to see."""
        if (line := self._line()).plain != self._drawn:
            self._drawn = line.plain
            self.refresh()

    def render(self) -> Content:
        return self._line()

    def _line(self) -> Content:
        source = self.source
        timeline = source.timeline
        width = max(0, self.size.width)
        return progress(source.position, timeline.end, timeline.marks, source.speed, width, held=source.held)
