"""What every part of the chat screen shares: its widgets, its state, and the frame that brings both up to date."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from textual.app import ComposeResult

from engine import Offer
from engine.events import Emitted, FinishReason, Usage

from ..bridge import Bridge
from ..conversation import Conversation, Message
from ..figures import Figures
from ..pace import EVERY, FRAMES, Pace
from ..race import Race
from ..render.card import settings_card
from ..settings import Settings
from ..sources import ReplaySource, Source
from ..store import Store
from ..widgets.bare import BareHorizontal, BareVertical
from ..widgets.key_bar import KeyBar
from ..widgets.learn import LearnPanel
from ..widgets.lens import Lens
from ..widgets.loading import LoadingLine, Welcome
from ..widgets.panels import BlocksPanel, MemoryPanel, Panel, SpeculationPanel, SpeedPanel, StripPanel, TopBar, View
from ..widgets.prompt import PLACEHOLDER, Prompt
from ..widgets.replay_line import ReplayLine
from ..widgets.stage import StagePanel
from ..widgets.transcript import Transcript
from ..widgets.turns import QuestionView, ReplyView
from .dispatch import Dispatcher
from .sized import SizedScreen

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
        conversation: Conversation,
        *,
        record: Path | None,
        preferences: Settings,
        clock: Callable[[], float],
        store: Store,
    ) -> None:
        super().__init__()
        self.source = source
        self.conversation = conversation
        self.settings = settings = conversation.settings
        """What the next question is asked with; its messages are empty."""
        self.preferences = preferences
        self.calm: bool = preferences["look.reduced_motion"]
        self.clock = clock
        self.store = store
        self.bridge = Bridge(record)
        self.figures = Figures()
        self.view = View(self.figures, settings.depth, source.replay_of)
        self.view.recording = record is not None
        if isinstance(source, ReplaySource):
            self.view.rate = source.speed
        self.waiting: deque[QuestionView] = deque()
        """Questions asked before there was an engine to answer them."""
        self.reply: ReplyView | None = None
        self.ready = False
        self.failed = False
        self.offer: Offer | None = None
        """How what failed to load could be loaded all the same."""
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
        self.lens = Lens(self.view, "lens")
        self.dispatcher = Dispatcher(self)
        self.pace = Pace(clock, CALM_EVERY if self.calm else EVERY)
        self._drawn = -1

    @property
    def replaying(self) -> bool:
        return self.source.replay_of is not None

    @property
    def answering(self) -> bool:
        return self.reply is not None

    def compose(self) -> ComposeResult:
        yield TopBar(self.view, "top")
        with BareHorizontal(id="room"):
            with BareVertical(id="talk"):
                yield StagePanel(self.view, "stage-strip")
                yield StripPanel(self.view, "strip")
                yield self.transcript
                yield LearnPanel(self.view)
                with BareVertical(id="ask", classes="-replay" if self.replaying else ""):
                    yield self.prompt
                    if isinstance(self.source, ReplaySource):
                        yield ReplayLine(self.source)
            with BareVertical(id="panels"):
                yield StagePanel(self.view, "stage-panel")
                yield SpeculationPanel(self.view, "speculation")
                yield SpeedPanel(self.view, "speed")
                yield BlocksPanel(self.view, "blocks")
                yield MemoryPanel(self.view, "memory")
        yield self.lens
        yield KeyBar()

    def on_mount(self) -> None:
        self.beat = self.set_interval(1 / FRAMES, self.tick)
        # The engine brings torch: the first picture comes before it.
        self.call_after_refresh(self._first_picture)

    def on_unmount(self) -> None:
        self.close_chat()
        self.bridge.close()
        self.source.close()
        self.bridge.finish()

    def _first_picture(self) -> None:
        (self.transcript if self.replaying else self.prompt).focus()
        if len(self.conversation):
            self.show(self.conversation)
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
        for sentence in self.store.news():
            self.notify(sentence, severity="warning", timeout=12, markup=False)
        if self.pace.whole():
            self._turn()
            if self.reply is not None:
                self.reply.body.grow()
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

    def ask(self, view: QuestionView) -> None:
        """Send a question that stands in the transcript."""
        self.conversation.settings = replace(self.settings, depth=self.view.depth)
        reply = self.conversation.ask(view.text)
        view.message = self.conversation.messages[reply.parent or ""]
        self.answer(reply)

    def answer(self, reply: Message) -> None:
        """Send the chat that ends in the question of this open reply, and show what comes."""
        loaded = self.figures.loaded
        reply.settings = replace(self.settings, depth=self.view.depth)
        reply.model = loaded.target.name if loaded is not None else None
        self.store.save(self.conversation, self.conversation.messages[reply.parent or ""], reply)
        self.open_reply(reply)
        self.transcript.number(self.conversation)
        self.source.ask(replace(reply.settings, messages=self.conversation.chat))

    def open_reply(self, message: Message | None = None) -> None:
        before = self.waiting[0] if self.waiting else None
        self.reply = self.transcript.reply(message, coloured=self.coloured, as_tokens=self.as_tokens, before=before)
        self.refresh_bindings()

    def grow(self, tokens: Sequence[Emitted]) -> None:
        """Add tokens to the running reply: to what is shown, what is remembered and what is kept."""
        if self.reply is None or not tokens:
            return
        self.reply.extend((token.text, token.origin) for token in tokens)
        if (message := self.conversation.open) is not None:
            self.conversation.extend(tokens)
            self.store.append(message, tokens)

    def conclude(self, reason: FinishReason, usage: Usage | None = None, text: str | None = None) -> None:
        """Close the running reply in the conversation, and keep it whole."""
        if (message := self.conversation.close(reason, usage, text)) is not None:
            self.store.save(self.conversation, message)

    def let_go(self) -> None:
        """Nothing runs or waits any more: a running reply stays as far as it came, and its end is not waited for."""
        if self.answering:
            self.source.stop()
            self.dispatcher.flush()
            self.dispatcher.forget_reply()
            self.conclude("cancelled")
        self.reply = None
        self.waiting.clear()

    def close_chat(self) -> None:
        """The last moment: what has come is kept, and what runs is stopped."""
        self.waiting.clear()
        for note in self.bridge.drain():
            self.dispatcher.take(note)
        self.let_go()

    def show(self, conversation: Conversation) -> None:
        """Look at another conversation, or another branch of this one."""
        if conversation is not self.conversation:
            self.let_go()
            self.conversation = conversation
        self.transcript.show(conversation, coloured=self.coloured, as_tokens=self.as_tokens)
        usage = next((m.usage for m in reversed(conversation.path) if m.usage is not None), None)
        self.figures.new_chat(usage.prompt_tokens + usage.completion_tokens if usage is not None else 0)
        self.mark()
        self.refresh_bindings()
