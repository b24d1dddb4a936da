"""Before the first word: the welcome, and the line that says how far the model has come."""

from __future__ import annotations

from collections.abc import Callable

from textual.content import Content
from textual.widget import Widget

from engine.events import Loading

from ..render.loading import loading
from ..render.welcome import welcome
from ..starters import NUMBERED


class Welcome(Widget):
    """A first screen with something to look at; it leaves with the first turn."""

    def __init__(self, *, replay: str | None = None) -> None:
        super().__init__()
        self.phase = 0.0
        self._replay = replay

    def turn(self, by: float) -> None:
        self.phase += by
        self.refresh()

    def render(self) -> Content:
        width, height = self.size
        return welcome(width, height, self.phase, starters=NUMBERED, replay=self._replay is not None)


class LoadingLine(Widget):
    """Stage, progress and time, where the reply would be."""

    def __init__(self, clock: Callable[[], float]) -> None:
        super().__init__()
        self._clock = clock
        self._since = clock()
        self._event: Loading | None = None

    def show(self, event: Loading) -> None:
        self._event = event
        self.refresh()

    def words(self, width: int) -> Content:
        return loading(self._event, self._clock() - self._since, width)

    def render(self) -> Content:
        line = self.words(self.size.width)
        return line.center(self.size.width) if self.screen.query(Welcome) else line
