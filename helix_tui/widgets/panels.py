"""The panels: each draws its own render module's figures into whatever room it has."""

from __future__ import annotations

from dataclasses import dataclass

from textual.content import Content
from textual.widget import Widget

from ..figures import Figures
from ..messages import Depth
from ..render import blocks, memory, speculation, speed, top_bar


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
    """Draws again only when `mark` says that something may have changed."""

    can_focus = False

    def __init__(self, view: View, id: str) -> None:
        super().__init__(id=id)
        self.view = view

    def mark(self) -> None:
        if self.is_on_screen:
            self.refresh()

    def render(self) -> Content:
        width, height = self.size
        if width < 1 or height < 1:
            return Content("")
        return self.draw(width, height)

    def draw(self, width: int, height: int) -> Content:
        raise NotImplementedError


class SpeculationPanel(Panel):
    def draw(self, width: int, height: int) -> Content:
        view = self.view
        return speculation.panel(
            view.figures.speculating,
            view.depth,
            width,
            height,
            has_draft=view.has_draft,
            loaded=view.figures.loaded is not None,
        )


class SpeedPanel(Panel):
    def draw(self, width: int, height: int) -> Content:
        view = self.view
        return speed.panel(view.figures.speed, width, height, has_draft=view.has_draft, compare=view.replay is None)


class BlocksPanel(Panel):
    def draw(self, width: int, height: int) -> Content:
        return blocks.panel(self.view.figures.pool, width, height)


class MemoryPanel(Panel):
    def draw(self, width: int, height: int) -> Content:
        loaded = self.view.figures.loaded
        device = f"on {loaded.device}" if loaded is not None else ""
        return memory.panel(self.view.figures.split(), width, height, device=device, shapes=self.app.no_color)


class StripPanel(Panel):
    """Speculation and speed in two lines, where there is no room beside the chat."""

    def draw(self, width: int, height: int) -> Content:
        view = self.view
        first = speculation.strip(view.figures.speculating, view.depth, width, has_draft=view.has_draft)
        pool = blocks.strip(view.figures.pool)
        second = speed.strip(view.figures.speed, width - len(pool) - 2)
        gap = max(1, width - second.cell_length - len(pool))
        return Content("\n").join([first, Content.assemble(second, " " * gap, (pool, "$muted"))])


class TopBar(Panel):
    def draw(self, width: int, height: int) -> Content:
        view = self.view
        tokens = view.figures.pool.tokens
        return top_bar.top_bar(
            view.figures.loaded,
            tokens,
            width,
            replay=view.replay,
            held=view.held,
            rate=view.rate,
            recording=view.recording,
        )
