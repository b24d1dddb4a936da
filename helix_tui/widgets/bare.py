"""Containers that only arrange: they draw nothing, so a line of text is drawn once and not once for each of them."""

from __future__ import annotations

from textual.containers import Horizontal, Vertical
from textual.geometry import Region, Size
from textual.strip import Strip
from textual.widget import Widget


class Steady(Widget):
    """Its size is what the layout gave it: Textual would lay everything out a second time whenever that changes."""

    def _size_updated(self, size: Size, virtual_size: Size, container_size: Size, layout: bool = True) -> bool:
        return super()._size_updated(size, virtual_size, container_size, layout=False)


class Bare(Steady):
    """What shows through is what stands behind; with a background or a border of its own it draws like any other."""

    def render_lines(self, crop: Region) -> list[Strip]:
        styles = self.styles
        if styles.background.a or styles.has_rule("border_left") or styles.has_rule("border_right"):
            return super().render_lines(crop)
        return []


class BareVertical(Vertical, Bare):
    pass


class BareHorizontal(Horizontal, Bare):
    pass
