"""The KV map: the pool's blocks on a whole screen, with a cursor, while the reply goes on."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content

from ..pool import Pool
from ..render import block_map
from ..widgets.key_bar import KeyBar, help_key, pair
from ..widgets.panels import Panel, View
from .beside import BesideScreen
from .core import ChatCore

FRAMES = 10
"""Pictures a second."""
Pools = Callable[[], Pool]
"""The pool as it is now: a new chat brings a new one."""
BLOCK, ROW = pair("Block"), pair("Row")


class MapHead(Panel):
    def __init__(self, view: View, pool: Pools, *, held: bool) -> None:
        super().__init__(view, "map-head")
        self._pool = pool
        self._held = held

    def draw(self, width: int, height: int) -> Content:
        rounds = self.view.figures.speculating.rounds
        last = rounds[-1] if rounds else None
        return block_map.head(self._pool(), width, held=self._held and self.view.held, last=last)


class MapGrid(Panel):
    """The blocks; the arrow keys move the cursor."""

    can_focus = True
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "move(-1)", "Block", group=BLOCK, id="map.left"),
        Binding("right", "move(1)", "Block", group=BLOCK, id="map.right"),
        Binding("up", "move_row(-1)", "Row", group=ROW, id="map.up"),
        Binding("down", "move_row(1)", "Row", group=ROW, id="map.down"),
        Binding("home", "move(-1000000)", "First", show=False, id="map.first"),
        Binding("end", "move(1000000)", "Last", show=False, id="map.last"),
    ]

    def __init__(self, view: View, pool: Pools) -> None:
        super().__init__(view, "map-grid")
        self.pool = pool
        self.cursor = min(pool().holders(), default=0)

    def action_move(self, by: int) -> None:
        blocks = self.pool().blocks
        self.cursor = max(0, min(self.cursor + by, (blocks.total if blocks else 1) - 1))
        for panel in self.screen.query(Panel):
            panel.mark()

    def action_move_row(self, by: int) -> None:
        self.action_move(by * block_map.per_row(self.size.width))

    def draw(self, width: int, height: int) -> Content:
        return block_map.grid(self.pool(), self.cursor, width, height)


class MapDetail(Panel):
    def __init__(self, grid: MapGrid) -> None:
        super().__init__(grid.view, "map-detail")
        self._grid = grid

    def draw(self, width: int, height: int) -> Content:
        loaded = self.view.figures.loaded
        return block_map.detail(self._grid.pool(), loaded, self._grid.cursor, width, height)


class MapScreen(BesideScreen):
    """Slow motion works here as well: a held round shows what it took and gave back."""

    VERTICAL_BREAKPOINTS = [(0, "-h0"), (12, "-h12"), (22, "-h22")]  # noqa: RUF012
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,m,q", "dismiss", "Close", key_display="esc", id="map.close"),
        Binding("space", "hold", "Hold", id="map.hold"),
        Binding("full_stop", "step", "Round", key_display=".", id="map.step"),
        help_key("map"),
    ]

    def __init__(self, chat: ChatCore, pool: Pools | None = None) -> None:
        """`pool` is what to draw where it is not the chat's."""
        super().__init__()
        self.chat = chat
        self.beside = pool is not None
        self.pool = pool or (lambda: chat.figures.pool)
        self.grid = MapGrid(chat.view, self.pool)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return not (self.beside and action in ("hold", "step"))

    def compose(self) -> ComposeResult:
        with Vertical(id="map"):
            yield MapHead(self.chat.view, self.pool, held=not self.beside)
            yield self.grid
            yield MapDetail(self.grid)
        yield KeyBar()

    def on_mount(self) -> None:
        self.grid.focus()
        self.set_interval(1 / FRAMES, self._draw)

    def _draw(self) -> None:
        for panel in self.query(Panel):
            panel.mark()

    async def action_hold(self) -> None:
        await self.chat.run_action("hold")
        self._draw()

    async def action_step(self) -> None:
        await self.chat.run_action("step")
        self._draw()
