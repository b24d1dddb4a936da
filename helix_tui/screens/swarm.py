"""The swarm: many questions at once, each in a lane, and the KV map filling and emptying beside them."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content

from engine import Event
from engine.events import Finished

from ..bridge import Buffer
from ..messages import Question, Trouble
from ..render import blocks, swarm
from ..render.flow import Flow
from ..swarm import FEWEST, MOST, Swarm
from ..widgets.canvas import Canvas
from ..widgets.key_bar import KeyBar, help_key, pair
from .beside import BesideScreen
from .map import MapScreen

if TYPE_CHECKING:
    from .core import ChatCore

FRAMES = 15
USUAL = 8
"""Members, unless chosen."""
MORE, FEWER = "plus,equals_sign,right_square_bracket", "minus,left_square_bracket"
LANES = pair("More, fewer")


class SwarmScreen(BesideScreen):
    """Runs beside the chat, whose conversation it leaves alone."""

    HORIZONTAL_BREAKPOINTS = [(0, "-w0"), (100, "-w100"), (140, "-w140")]  # noqa: RUF012
    VERTICAL_BREAKPOINTS = [(0, "-h0"), (18, "-h18")]  # noqa: RUF012
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "back", "Back to the chat", key_display="esc", id="swarm.back"),
        Binding("r,f6,enter", "again", "Again", key_display="r", id="swarm.again"),
        Binding(
            "plus,equals_sign,right_square_bracket", "more(1)", "More", key_display="+", id="swarm.more", group=LANES
        ),
        Binding(FEWER, "more(-1)", "Fewer", key_display="-", group=LANES, id="swarm.fewer"),
        Binding("m", "map", "Map", id="swarm.map"),
        help_key("swarm"),
        Binding("q", "app.quit", "Quit", id="swarm.quit"),
    ]

    def __init__(self, chat: ChatCore, settings: Question, count: int = USUAL) -> None:
        super().__init__()
        self.chat = chat
        self.settings = settings
        self.swarm = Swarm(settings, count)
        self._texts: list[Flow] = []
        self._shown: list[int] = []
        self._buffer = Buffer()

    def action_map(self) -> None:
        self.app.push_screen(MapScreen(self.chat, lambda: self.swarm.pool))

    def compose(self) -> ComposeResult:
        yield Canvas(lambda width, height: swarm.title(self.swarm, width), id="swarm-head")
        with Horizontal(id="swarm-room"):
            yield Canvas(self._lanes, id="swarm-lanes")
            with Vertical(id="swarm-side"):
                yield Canvas(lambda width, height: swarm.figures(self.swarm, width, height), id="swarm-figures")
                yield Canvas(lambda width, height: blocks.panel(self.swarm.pool, width, height), id="swarm-blocks")
        yield KeyBar()

    def on_mount(self) -> None:
        self.set_interval(1 / FRAMES, self.tick)
        self.begin()

    def on_unmount(self) -> None:
        self._stop()

    def begin(self) -> None:
        """Ask them all at once, as many as there are members."""
        self._stop()
        self.swarm = Swarm(self.settings, len(self.swarm.members))
        self.swarm.pool.blocks = self.chat.figures.pool.blocks
        self._texts = [Flow() for _ in self.swarm.members]
        self._shown = [0] * len(self.swarm.members)
        self._buffer = Buffer()
        self.chat.source.run(self.swarm.questions, self._buffer.put)
        self._draw()

    def tick(self) -> None:
        """One frame: everything that happened since the last one."""
        if self.chat.failed and self.is_current:
            self.dismiss()
            return
        notes = self._buffer.drain()
        for note in notes:
            if isinstance(note, Trouble):
                (self.swarm.refuse if note.where == "ask" else self.swarm.break_off)(note.message)
            elif isinstance(note, Event):
                self.swarm.feed(note)
                if isinstance(note, Finished):
                    self.chat.figures.settle(note.blocks)
        for number, member in enumerate(self.swarm.members):
            self._texts[number].extend(member.pieces[self._shown[number] :])
            self._shown[number] = len(member.pieces)
        if notes:
            self._draw()

    def _lanes(self, width: int, height: int) -> Content:
        return swarm.lanes(self.swarm, self._texts, width, height, self.told)

    def _draw(self) -> None:
        for canvas in self.query(Canvas):
            canvas.refresh()

    def action_back(self) -> None:
        self._stop()
        self.dismiss()

    def action_again(self) -> None:
        self.begin()

    def action_more(self, by: int) -> None:
        """So many members more, asked anew."""
        count = max(FEWEST, min(MOST, len(self.swarm.members) + by))
        if count != len(self.swarm.members):
            self.swarm = Swarm(self.settings, count)
            self.begin()

    def _stop(self) -> None:
        self._buffer.close()
        self.chat.source.stop()
