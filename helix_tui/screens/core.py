"""What every part of the chat screen shares: its widgets, its state, and the frame that brings both up to date."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widgets import Footer

from ..bridge import Bridge
from ..conversation import Conversation
from ..figures import Figures
from ..messages import Question
from ..race import Race
from ..render.card import settings_card
from ..settings import Settings
from ..sources import ReplaySource, Source
from ..widgets.loading import LoadingLine, Welcome
from ..widgets.panels import BlocksPanel, MemoryPanel, Panel, SpeculationPanel, SpeedPanel, StripPanel, TopBar, View
from ..widgets.prompt import PLACEHOLDER, Prompt
from ..widgets.replay_line import ReplayLine
from ..widgets.transcript import Transcript
from ..widgets.turns import ReplyView
from .dispatch import Dispatcher
from .sized import SizedScreen

FRAMES = 30
"""Drains of the buffer a second."""
PANEL_EVERY = 3
"""Panels are drawn at every third."""
CALM_EVERY = 15
"""With reduced motion: twice a second."""


class ChatCore(SizedScreen):
    """Owns the conversation and the figures; `Dispatcher` turns notes into changes here.

    What keys do is in `actions`, a file for each idea; each extends this class, and `ChatScreen` is all of them.
    """

    HORIZONTAL_BREAKPOINTS = [(0, "-w0"), (40, "-w40"), (100, "-w100"), (140, "-w140")]  # noqa: RUF012
    VERTICAL_BREAKPOINTS = [(0, "-h0"), (12, "-h12"), (22, "-h22"), (28, "-h28"), (38, "-h38")]  # noqa: RUF012

    def __init__(
        self,
        source: Source,
        settings: Question,
        *,
        system: str | None,
        record: Path | None,
        preferences: Settings,
        clock: Callable[[], float],
    ) -> None:
        super().__init__()
        self.source = source
        self.settings = settings
        """What the next question is asked with; its messages are empty."""
        self.preferences = preferences
        self.calm: bool = preferences["look.reduced_motion"]
        self.clock = clock
        self.bridge = Bridge(record)
        self.conversation = Conversation(system)
        self.figures = Figures()
        self.view = View(self.figures, settings.depth, source.replay_of)
        self.view.recording = record is not None
        if isinstance(source, ReplaySource):
            self.view.rate = source.speed
        self.waiting: deque[str] = deque()
        """Questions asked before there was an engine to answer them."""
        self.reply: ReplyView | None = None
        self.ready = False
        self.failed = False
        self.coloured: bool = preferences["look.colours"]
        self.race: Race | None = None
        """The last one that was measured."""
        self.as_tokens = False
        """Whether finished replies show their tokens, not Markdown."""
        self.transcript = Transcript(Welcome(replay=source.replay_of), LoadingLine(clock), id="transcript")
        words = "A recording takes no questions" if self.replaying else PLACEHOLDER
        self.prompt = Prompt(
            refusal=self.refusal,
            disabled=self.replaying,
            placeholder=words,
            keymap=preferences.keys,
            blink=not self.calm,
        )
        self.dispatcher = Dispatcher(self)
        self._frame = 0
        self._drawn = -1

    @property
    def replaying(self) -> bool:
        return self.source.replay_of is not None

    @property
    def answering(self) -> bool:
        return self.reply is not None

    def compose(self) -> ComposeResult:
        yield TopBar(self.view, "top")
        with Horizontal(id="room"):
            with Vertical(id="talk"):
                yield StripPanel(self.view, "strip")
                yield self.transcript
                with Vertical(id="ask", classes="-replay" if self.replaying else ""):
                    yield self.prompt
                    if isinstance(self.source, ReplaySource):
                        yield ReplayLine(self.source)
            with Vertical(id="panels"):
                yield SpeculationPanel(self.view, "speculation")
                yield SpeedPanel(self.view, "speed")
                yield BlocksPanel(self.view, "blocks")
                yield MemoryPanel(self.view, "memory")
        yield Footer(show_command_palette=False)

    def on_mount(self) -> None:
        self.set_interval(1 / FRAMES, self.tick)
        # The engine brings torch: the first picture comes before it.
        self.call_after_refresh(self._first_picture)

    def on_unmount(self) -> None:
        self.bridge.close()
        self.source.close()
        self.bridge.finish()

    def _first_picture(self) -> None:
        (self.transcript if self.replaying else self.prompt).focus()
        if self.preferences.problems:
            self.transcript.card(settings_card(self.preferences.problems))
        self.begin()

    def begin(self) -> None:
        """Start the source; again after a load that failed."""
        self.failed = False
        self.source.start(self.bridge.send)
        self.refresh_bindings()

    def tick(self) -> None:
        """One frame: everything that happened since the last one."""
        for note in self.bridge.drain():
            self.dispatcher.take(note)
        self.dispatcher.flush()
        self._frame += 1
        if self._frame % (CALM_EVERY if self.calm else PANEL_EVERY) == 0:
            self._turn()
            for line in self.query(ReplayLine):
                line.follow()
            if self._drawn != self.figures.version:
                self._drawn = self.figures.version
                self.mark()

    def _turn(self) -> None:
        if self.ready or self.failed:
            return
        if not self.calm:
            for welcome in self.query(Welcome):
                welcome.turn(0.35)
        for line in self.query(LoadingLine):
            line.refresh()

    def mark(self) -> None:
        """Draw the panels again."""
        for panel in self.query(Panel):
            panel.mark()

    # Asking

    def refusal(self) -> str | None:
        """Why nothing can be asked now."""
        if self.answering:
            return "esc stops the reply first"
        return "There is no model; ctrl+r tries to load it again" if self.failed else None

    def ask(self, text: str) -> None:
        """Send a question that stands in the transcript."""
        chat = self.conversation.ask(text)
        self.open_reply()
        self.source.ask(replace(self.settings, messages=chat, depth=self.view.depth))

    def open_reply(self) -> None:
        self.reply = self.transcript.reply(coloured=self.coloured, as_tokens=self.as_tokens)
        self.refresh_bindings()
