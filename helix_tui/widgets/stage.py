"""The large figures of the stage."""

from __future__ import annotations

from textual.content import Content
from textual.geometry import Size

from ..render.stage import digits, digits_height
from .panels import Panel

SHARE = 0.42
"""Of the screen's rows, at most."""


class StagePanel(Panel):
    """As high as its digits, which are as large as the screen allows."""

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return digits_height(width, int(self.screen.size.height * SHARE))

    def draw(self, width: int, height: int) -> Content:
        return digits(self.view.figures.speed, width, height)
