"""Before the first word: the welcome, and the line that says how far the model has come."""

from __future__ import annotations

from collections.abc import Callable

from textual.content import Content
from textual.widget import Widget

from engine.events import Loading

from ..render.helix import helix
from ..render.loading import loading

HELIX_WIDTH = 44
HELIX_HEIGHT = 5


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
        words = ["Ask something.", "A small draft model guesses ahead; the large one checks the guesses all at once."]
        if self._replay is not None:
            words = ["This is a recording; no model is loaded.", "space holds it · ← → go by replies · q quits"]
        lines: list[Content] = []
        if height >= HELIX_HEIGHT + 4:
            drawn = helix(min(HELIX_WIDTH, width), HELIX_HEIGHT, self.phase)
            lines += [line.center(width) for line in drawn.split("\n")]
            lines += [Content("")]
        for number, line in enumerate(words):
            text = Content.assemble((line, "$foreground" if number == 0 else "$muted"))
            lines += [part.center(width) for part in text.wrap(max(1, width))]
        return Content("\n").join(lines)


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

    def render(self) -> Content:
        line = loading(self._event, self._clock() - self._since, self.size.width)
        return line.center(self.size.width) if self.screen.query(Welcome) else line
