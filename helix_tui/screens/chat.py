"""The one main screen: the chat, and beside it the panels of the cycle that is running."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import Screen
from textual.widgets import Footer

from engine import MAX_DEPTH

from ..bridge import Bridge
from ..conversation import Conversation
from ..figures import Figures
from ..keys import bindings
from ..messages import Depth, Question
from ..replay import ReplaySource
from ..sources import Source
from ..widgets.loading import LoadingLine, Welcome
from ..widgets.panels import BlocksPanel, MemoryPanel, Panel, SpeculationPanel, SpeedPanel, StripPanel, TopBar, View
from ..widgets.prompt import PLACEHOLDER, Prompt
from ..widgets.transcript import Transcript
from ..widgets.turns import ReplyView
from .dispatch import Dispatcher
from .help import HelpScreen

FRAMES = 30
"""Drains of the buffer a second."""
PANEL_EVERY = 3
"""Panels are drawn at every third."""


class ChatScreen(Screen[None]):
    """Owns the conversation and the figures; `Dispatcher` turns notes into changes here."""

    BINDINGS: ClassVar[list[BindingType]] = [
        *bindings(),
        Binding("tab", "app.focus_next", show=False, id="focus.next"),
        Binding("shift+tab", "app.focus_previous", show=False, id="focus.previous"),
    ]
    HORIZONTAL_BREAKPOINTS = [(0, "-w0"), (40, "-w40"), (100, "-w100"), (140, "-w140")]  # noqa: RUF012
    VERTICAL_BREAKPOINTS = [(0, "-h0"), (12, "-h12"), (22, "-h22"), (28, "-h28"), (38, "-h38")]  # noqa: RUF012

    def __init__(
        self, source: Source, settings: Question, *, system: str | None, record: Path | None, clock: Callable[[], float]
    ) -> None:
        super().__init__()
        self.source = source
        self.settings = settings
        self.clock = clock
        self.bridge = Bridge(record)
        self.conversation = Conversation(system)
        self.figures = Figures()
        self.view = View(self.figures, settings.depth, source.replay_of)
        self.waiting: deque[str] = deque()
        """Questions asked before there was an engine to answer them."""
        self.reply: ReplyView | None = None
        self.ready = False
        self.failed = False
        self.coloured = True
        self.transcript = Transcript(Welcome(replay=source.replay_of), LoadingLine(clock), id="transcript")
        words = "A recording takes no questions" if self.replaying else PLACEHOLDER
        self.prompt = Prompt(refusal=self._refusal, disabled=self.replaying, placeholder=words)
        self._depth_before: Depth = settings.depth or 4
        self._dispatcher = Dispatcher(self)
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
                with Vertical(id="ask"):
                    yield self.prompt
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

    def _first_picture(self) -> None:
        (self.transcript if self.replaying else self.prompt).focus()
        self.begin()

    def begin(self) -> None:
        """Start the source; again after a load that failed."""
        self.failed = False
        self.source.start(self.bridge.send)
        self.refresh_bindings()

    def tick(self) -> None:
        """One frame: everything that happened since the last one."""
        for note in self.bridge.drain():
            self._dispatcher.take(note)
        self._dispatcher.flush()
        self._frame += 1
        if self._frame % PANEL_EVERY == 0:
            self._turn()
            if self._drawn != self.figures.version:
                self._drawn = self.figures.version
                self.mark()

    def _turn(self) -> None:
        if self.ready or self.failed:
            return
        for welcome in self.query(Welcome):
            welcome.turn(0.35)
        for line in self.query(LoadingLine):
            line.refresh()

    def mark(self) -> None:
        """Draw the panels again."""
        for panel in self.query(Panel):
            panel.mark()

    # What the person does

    def _refusal(self) -> str | None:
        """Why nothing can be asked now."""
        if self.answering:
            return "esc stops the reply first"
        return "There is no model; ctrl+r tries to load it again" if self.failed else None

    def on_prompt_sent(self, message: Prompt.Sent) -> None:
        self.transcript.question(message.text)
        if self.ready and not self.answering:
            self.ask(message.text)
        else:
            self.waiting.append(message.text)
            self.refresh_bindings()

    def ask(self, text: str) -> None:
        """Send a question that stands in the transcript."""
        chat = self.conversation.ask(text)
        self.open_reply()
        self.source.ask(replace(self.settings, messages=chat, depth=self.view.depth))

    def open_reply(self) -> None:
        self.reply = self.transcript.reply(coloured=self.coloured)
        self.refresh_bindings()

    def on_transcript_typed(self, message: Transcript.Typed) -> None:
        if not self.replaying:
            self.prompt.focus()
            self.prompt.insert(message.character)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action in ("pause", "restart"):
            return self.replaying
        if action == "stop":
            return (self.answering or bool(self.waiting)) and not self.replaying
        if action == "read":
            return self.prompt.has_focus and not self.answering and not self.waiting
        if action == "retry":
            return self.failed
        if action in ("depth", "baseline", "adaptive", "new_chat"):
            return not self.replaying
        return True

    def action_stop(self) -> None:
        if self.waiting:
            self.waiting.clear()
            self.transcript.note("not asked")
            self.refresh_bindings()
        else:
            self.source.stop()

    def action_read(self) -> None:
        self.transcript.focus()

    def action_depth(self, by: int) -> None:
        now = self.view.depth
        if now == "auto":
            rounds = self.figures.speculating.rounds
            now = rounds[-1].depth if rounds else 4
        self._set_depth(max(0, min(MAX_DEPTH, now + by)))

    def action_adaptive(self) -> None:
        self._set_depth("auto" if self.view.depth != "auto" else 4)

    def action_baseline(self) -> None:
        self._set_depth(0 if self.view.depth else self._depth_before)

    def _set_depth(self, depth: Depth) -> None:
        if not self.view.has_draft:
            self.notify("There is no draft model, so there is nothing to speculate with", timeout=4)
            return
        if self.view.depth:
            self._depth_before = self.view.depth
        self.view.depth = depth
        if self.answering:
            self.source.set_depth(depth)
        self.mark()

    def action_new_chat(self) -> None:
        if self.answering:
            self.source.stop()
            self._dispatcher.forget_reply()
        self.reply = None
        self.waiting.clear()
        self.conversation.clear()
        self.figures.new_chat()
        self.transcript.clear()
        self.prompt.focus()
        self.mark()
        self.refresh_bindings()

    def action_origins(self) -> None:
        self.coloured = not self.coloured
        for view in self.query(ReplyView):
            view.body.coloured = self.coloured

    def action_retry(self) -> None:
        self.transcript.wait_with(LoadingLine(self.clock))
        self.begin()

    def action_pause(self) -> None:
        if isinstance(self.source, ReplaySource):
            self.view.held = self.source.toggle_pause()
            self.mark()

    def action_restart(self) -> None:
        if isinstance(self.source, ReplaySource):
            self.source.restart()
            self.view.held = False

    def action_help(self) -> None:
        self.app.push_screen(HelpScreen())
