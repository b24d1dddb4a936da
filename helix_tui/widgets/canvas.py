"""A region that a pure function draws."""

from __future__ import annotations

from collections.abc import Callable

from textual.content import Content
from textual.widget import Widget

Draw = Callable[[int, int], Content]


class Canvas(Widget):
    """Shows what `draw(width, height)` gives; `refresh` asks it again."""

    can_focus = False

    def __init__(self, draw: Draw, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._draw = draw

    def render(self) -> Content:
        width, height = self.size
        return self._draw(width, height) if width > 0 and height > 0 else Content("")
