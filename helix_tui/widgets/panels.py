"""The panels: each draws its own render module's figures into whatever room it has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from textual.content import Content
from textual.geometry import Region, Size
from textual.strip import Strip
from textual.visual import Visual
from textual.widget import Widget

from ..figures import Figures
from ..messages import Depth
from ..render import blocks, memory, outside, speculation, speed, top_bar
from ..stage import STAGE


@dataclass(slots=True)
class View:
    """What the panels look at."""

    figures: Figures
    depth: Depth
    replay: str | None = None
    held: bool = False
    rate: float = 1.0
    """How fast a replay plays."""
    recording: bool = False

    @property
    def has_draft(self) -> bool:
        """True too while nothing is loaded: nobody knows yet."""
        return self.figures.loaded is None or self.figures.loaded.drafter is not None


class Panel(Widget):
    """Draws again only when `mark` says that something may have changed, and then only the lines that did."""

    can_focus = False
    ALLOW_SELECT = False

    def __init__(self, view: View, id: str) -> None:
        super().__init__(id=id)
        self.view = view
        self._drawn: list[Content] = []
        self._drawn_for = Size(0, 0)
        self._strips: dict[int, Strip] = {}

    def mark(self) -> None:
        if not self.is_on_screen:
            return
        before, size_before = self._drawn, self._drawn_for
        self._draw_lines()
        now = self._drawn
        changed = [
            at
            for at in range(max(len(before), len(now)))
            if at >= len(before) or at >= len(now) or not before[at].is_same(now[at])
        ]
        if size_before != self._drawn_for:
            self._strips.clear()
            self.refresh()
        elif changed:
            for at in changed:
                self._strips.pop(at, None)
            self.refresh(*(Region(0, at, self.size.width, 1) for at in changed))  # Textual adds padding and border.

    def renew(self) -> None:
        """Draw all of it again, also where it is not on the screen yet."""
        self._drawn_for = Size(0, 0)
        self.refresh()

    def render_line(self, y: int) -> Strip:
        if self._drawn_for != self.size:
            self._strips.clear()
            self._draw_lines()
        if (strip := self._strips.get(y)) is None:
            strip = self._strips[y] = self._strip(y)
        return strip

    def _strip(self, y: int) -> Strip:
        width = self.size.width
        if y >= len(self._drawn) or not width:
            return Strip.blank(width, self.visual_style.rich_style)
        return Visual.to_strips(self, self._drawn[y], width, 1, self.visual_style)[0]

    def _draw_lines(self) -> None:
        self._drawn_for = self.size
        width, height = self.size
        self._drawn = self.draw(width, height).split("\n", allow_blank=True)[:height] if width and height else []

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._strips.clear()

    def draw(self, width: int, height: int) -> Content:
        raise NotImplementedError


class SpeculationPanel(Panel):
    def draw(self, width: int, height: int) -> Content:
        view = self.view
        if view.figures.outside:
            return outside.speculation(view.figures.counters, width, height)
        return speculation.panel(
            view.figures.speculating,
            view.depth,
            width,
            height,
            has_draft=view.has_draft,
            loaded=view.figures.loaded is not None,
            best=view.figures.evidence.estimate,
        )


class SpeedPanel(Panel):
    def draw(self, width: int, height: int) -> Content:
        view = self.view
        compare = view.replay is None and not view.figures.outside
        return speed.panel(
            view.figures.speed, width, height, has_draft=view.has_draft, compare=compare, drafting=view.depth != 0
        )


class BlocksPanel(Panel):
    def draw(self, width: int, height: int) -> Content:
        if self.view.figures.outside:
            return outside.cache(self.view.figures.counters, width, height)
        return blocks.panel(self.view.figures.pool, width, height)


class MemoryPanel(Panel):
    def draw(self, width: int, height: int) -> Content:
        loaded = self.view.figures.loaded
        if self.view.figures.outside:
            return outside.memory(width, height)
        device = f"on {loaded.device}" if loaded is not None else ""
        return memory.panel(self.view.figures.split(), width, height, device=device, shapes=self.app.no_color)


class StripPanel(Panel):
    """Speculation and speed in two lines, where there is no room beside the chat."""

    def draw(self, width: int, height: int) -> Content:
        view = self.view
        figures = view.figures
        if figures.outside:
            first = outside.strip(figures.counters, width)
        else:
            best = figures.evidence.estimate
            first = speculation.strip(figures.speculating, view.depth, width, has_draft=view.has_draft, best=best)
        pool = blocks.strip(view.figures.pool)
        second = speed.strip(view.figures.speed, width - len(pool) - 2)
        gap = max(1, width - second.cell_length - len(pool))
        return Content("\n").join([first, Content.assemble(second, " " * gap, (pool, "$muted"))])


class TopBar(Panel):
    def draw(self, width: int, height: int) -> Content:
        view = self.view
        loaded, tokens = view.figures.loaded, view.figures.pool.tokens
        state: dict[str, Any] = {"held": view.held, "rate": view.rate, "recording": view.recording}
        if self.app.has_class(STAGE):
            return top_bar.stage_bar(loaded, width, replay=view.replay is not None, **state)
        return top_bar.top_bar(loaded, tokens, width, replay=view.replay, **state)
