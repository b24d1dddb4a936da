"""The race: baseline and speculative measured one after the other, then replayed side by side."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content

from engine import Event
from engine.events import Failed, Finished

from ..bridge import Buffer
from ..messages import Trouble
from ..race import Name, Race
from ..render import race as render
from ..render.card import card
from ..render.text import safe
from ..share import of_race
from ..widgets.canvas import Canvas, Draw
from ..widgets.key_bar import KeyBar, help_key
from ..widgets.loading import LoadingLine
from ..widgets.token_view import TokenView
from .actions.sharing import write_card
from .beside import BesideScreen

if TYPE_CHECKING:
    from .core import ChatCore

FRAMES = 30
LANES: tuple[Name, Name] = ("baseline", "speculative")


class LaneView(Vertical):
    """One lane: its figures, and its text as it came."""

    def __init__(self, draw: Draw) -> None:
        super().__init__(classes="lane")
        self.head = Canvas(draw, classes="head")
        self.body = TokenView()
        self.shown = 0
        """Tokens of the replay."""

    def compose(self) -> ComposeResult:
        yield self.head
        with VerticalScroll(classes="text", can_focus=False) as room:
            room.anchor()
            yield self.body

    def show(self, pieces: list[tuple[str, str]]) -> None:
        """These are the tokens so far; fewer than before begin anew."""
        if len(pieces) < self.shown:
            self.clear()
        if len(pieces) > self.shown:
            self.body.extend(pieces[self.shown :])
        self.shown = len(pieces)
        self.head.refresh()

    def clear(self) -> None:
        self.shown = 0
        before, self.body = self.body, TokenView()
        before.remove()
        self.query_one(VerticalScroll).mount(self.body)


class RaceScreen(BesideScreen):
    """Runs a race beside the chat, whose figures it leaves alone."""

    HORIZONTAL_BREAKPOINTS = [(0, "-w0"), (70, "-w70")]  # noqa: RUF012
    VERTICAL_BREAKPOINTS = [(0, "-h0"), (18, "-h18"), (28, "-h28")]  # noqa: RUF012
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "back", "Back to the chat", key_display="esc", id="race.back"),
        Binding("r,f5", "again", "Measure again", key_display="r", id="race.again"),
        Binding("space", "replay", "Replay", id="race.replay"),
        Binding("enter", "finish", "To the finish", id="race.finish"),
        Binding("z,f9", "card(False)", "Card", key_display="z", id="race.card"),
        Binding("Z,shift+f9", "card(True)", "Card with text", show=False, id="race.card_text"),
        help_key("race"),
        Binding("q", "app.quit", "Quit", id="race.quit"),
    ]

    def __init__(self, chat: ChatCore, race: Race) -> None:
        super().__init__()
        self.chat = chat
        self.race = race
        self.trouble: Content | None = None
        self._buffer = Buffer()
        self._since: float | None = None
        """When the replay began, by the app's clock."""
        self._finished = False

    def compose(self) -> ComposeResult:
        with Vertical(id="race-head"):
            yield Canvas(lambda width, height: render.title(self.race, width), id="race-title")
            yield Canvas(self._status, id="race-status")
        with Horizontal(id="race-lanes"):
            for name in LANES:
                yield LaneView(partial(self._lane, name))
        yield Canvas(self._verdict, id="race-verdict")
        yield KeyBar()

    def on_mount(self) -> None:
        self.set_interval(1 / FRAMES, self.tick)

    def on_unmount(self) -> None:
        self._stop()

    @property
    def replaying(self) -> bool:
        return self._since is not None and not self._finished

    @property
    def measured(self) -> bool:
        """Whether there is something to replay."""
        return bool(self.race.rounds) and self.race.step is None and self.trouble is None

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "again":
            return self.race.step is None and (self.measured or self.trouble is not None)
        if action in ("replay", "card"):
            return self.measured
        if action == "finish":
            return self.replaying
        return True

    def tick(self) -> None:
        """One frame: begin when there is a model, take what was measured, move the replay."""
        if self.chat.failed and self.is_current:
            self.dismiss()
            return
        if not self.race.rounds and self.race.step is None and self.trouble is None and self.chat.ready:
            self.begin()
        for note in self._buffer.drain():
            if isinstance(note, Trouble):
                self._broken(card(note.error, note.message, where=note.where, expected=note.expected).body)
            elif isinstance(note, Event):
                self._event(note)
        if self.replaying:
            self._move()
        if self.race.step is not None or not self.chat.ready:
            self._draw()

    def begin(self) -> None:
        """Measure."""
        if not self.chat.view.has_draft:
            self.trouble = Content("There is no draft model, so there is nothing to race against.")
            self._draw()
            return
        self.trouble = None
        self._since, self._finished = None, False
        for view in self.query(LaneView):
            view.clear()
        self.race.begin()
        self._run()

    def _run(self) -> None:
        self._buffer.close()
        self._buffer = Buffer()
        self.chat.source.run([self.race.ask()], self._buffer.put)
        self.refresh_bindings()

    def _event(self, event: Event) -> None:
        if self.race.step is None or not self.race.feed(event):
            return
        if isinstance(event, Failed):
            self._broken(event.message)
            return
        if isinstance(event, Finished):
            self.chat.figures.settle(event.blocks)
        self.race.advance()
        if self.race.step is not None:
            self._run()
        else:
            self.chat.race = self.race
            self.action_replay()
            if self.chat.calm:
                self.action_finish()

    def _broken(self, words: str) -> None:
        self.race.abandon()
        self.trouble = Content(safe(words))
        self.refresh_bindings()
        self._draw()

    def _move(self) -> None:
        at = self._at
        self._finished = at >= self.race.round.duration
        for name, view in zip(LANES, self.query(LaneView), strict=True):
            lane = self.race.round.lane(name)
            shown = len(lane.tokens) if self._finished else min(lane.shown(at), self.race.round.goal)
            view.show([(token.text, token.origin) for token in lane.tokens[:shown]])
        self._draw()
        if self._finished:
            self.refresh_bindings()

    @property
    def _at(self) -> float:
        """Measured seconds that the replay has come to."""
        if self._since is None:
            return 0.0
        return (self.chat.clock() - self._since) / render.pace(self.race.round.duration)

    def _draw(self) -> None:
        for canvas in self.query(Canvas):
            canvas.refresh()

    # What the regions show

    def _status(self, width: int, height: int) -> Content:
        if self.trouble is not None:
            first = Content.assemble(("✗ ", "$rejected"), ("the measurement broke off", "bold"))
        elif self.race.step is not None:
            first = render.measuring(self.race)
        elif self.replaying:
            first = render.replaying(min(self._at, self.race.round.duration), render.pace(self.race.round.duration))
        elif self._finished:
            first = Content.assemble(("■ ", "$accent"), ("finished", "bold"))
        else:
            how_far = [line.words(width - 20) for line in self.chat.query(LoadingLine)]
            first = Content.assemble(("● ", "$corrected"), ("the model loads", "bold"), "   ", *how_far)
        lines = [first, render.fair(width)]
        return Content("\n").join([line.truncate(width, ellipsis=True) for line in lines[:height]])

    def _lane(self, name: Name, width: int, height: int) -> Content:
        race = self.race
        if self._since is None:
            return render.waiting_lane(race, name, width, height)
        at = race.round.duration if self._finished else self._at
        shown = len(race.round.lane(name).tokens) if self._finished else race.round.lane(name).shown(at)
        return render.lane(race, name, shown, race.round.place(name, at), width, height)

    def _verdict(self, width: int, height: int) -> Content:
        if self.trouble is not None:
            trouble = Content(self.told(self.trouble.plain))
            return Content("\n").join(trouble.stylize("$rejected").wrap(max(1, width))[:height])
        return render.verdict(self.race, width, height) if self._finished else Content("")

    # Keys

    def action_back(self) -> None:
        self._stop()
        self.dismiss()

    def action_again(self) -> None:
        self.begin()

    def action_replay(self) -> None:
        """From the start."""
        self._since, self._finished = self.chat.clock(), False
        self.refresh_bindings()
        self._move()

    def action_finish(self) -> None:
        self._since = self.chat.clock() - self.race.round.duration * render.pace(self.race.round.duration) - 1e-6
        self._move()

    def action_card(self, with_text: bool) -> None:
        loaded = self.chat.figures.loaded
        if loaded is not None:
            write_card(self, of_race(loaded, self.race, datetime.now(), with_text=with_text))

    def _stop(self) -> None:
        if self.race.step is not None:
            self.race.abandon()
            self.chat.source.stop()
        self._buffer.close()
