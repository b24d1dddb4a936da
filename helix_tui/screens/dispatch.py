"""The one place that turns notes from the worker into changes on the chat screen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine import Event
from engine.events import Cycle, Emitted, Failed, Finished, Loaded, Loading, Piece, Shortage, Started

from ..messages import Note, ReplayEnded, Rewound, Trouble
from ..quiet import log_path
from ..render.card import card
from ..render.summary import reading
from ..render.units import count
from ..widgets.loading import LoadingLine, Welcome
from ..widgets.turns import ReplyView

if TYPE_CHECKING:
    from .core import ChatCore

NO_ID = -1
"""Of text whose tokens another program keeps to itself."""


class Dispatcher:
    """Notes in order; the text of a frame is handed to its reply in one piece."""

    def __init__(self, screen: ChatCore) -> None:
        self.screen = screen
        self._tokens: list[Emitted] = []
        self._running: int | None = None
        self._forgotten: int | None = None
        self._forget_next = False

    def take(self, note: Note) -> None:
        if isinstance(note, Event):
            self._event(note)
        elif isinstance(note, Trouble):
            self._trouble(note)
        elif isinstance(note, Rewound):
            self._rewound(note)
        elif isinstance(note, ReplayEnded):
            self.flush()
            self.screen.transcript.note("end of the recording · r plays it again")

    def flush(self) -> None:
        """Show the text that came since the last time."""
        tokens, self._tokens = self._tokens, []
        self.screen.grow(tokens)

    def forget_reply(self) -> None:
        """The chat that asked is gone: what still comes of its reply is not shown."""
        if self._running is None:
            self._forget_next = True
        else:
            self._forgotten = self._running
        self._tokens = []

    def _event(self, event: Event) -> None:
        if isinstance(event, Started):
            self._running = event.request
            if self._forget_next:
                self._forgotten, self._forget_next = event.request, False
        if self._forgotten is not None and getattr(event, "request", None) == self._forgotten:
            if isinstance(event, (Finished, Failed)):
                self._running = self._forgotten = None
            if isinstance(event, Finished):
                self.screen.figures.pool.drop(event.request, event.blocks)
            return
        self.screen.figures.feed(event)
        if isinstance(event, Loading):
            for line in self.screen.query(LoadingLine):
                line.show(event)
        elif isinstance(event, Loaded):
            self._loaded()
        elif isinstance(event, Started):
            self._started(event)
        elif isinstance(event, Cycle):
            self._tokens += event.emitted
            if self.screen.reply is not None:
                self.screen.reply.journal.add(event)
        elif isinstance(event, Piece):
            self._tokens.append(Emitted(NO_ID, event.text, "plain"))
        elif isinstance(event, Shortage):
            self.screen.notify(event.message, severity="warning", timeout=12, markup=False)
        elif isinstance(event, Finished):
            self._finished(event)
        elif isinstance(event, Failed):
            self._failed(event)

    def _loaded(self) -> None:
        screen = self.screen
        screen.ready = True
        screen.race = None
        screen.query(LoadingLine).remove()
        for welcome in screen.query(Welcome):
            welcome.phase = 0.0
            welcome.refresh()
        if not screen.view.has_draft:
            screen.view.depth = 0
        screen.mark()
        if screen.waiting:
            screen.ask(screen.waiting.popleft())

    def _started(self, event: Started) -> None:
        if self.screen.replaying:
            self.screen.view.depth = "auto" if event.depth is None else event.depth
            if event.question is not None:
                self.screen.transcript.question(event.question)
            else:
                self.screen.transcript.note(f"a question of {count(event.prompt_tokens, 'token')}")
            self.screen.open_reply()
        if self.screen.reply is not None:
            self.screen.reply.journal.rule = event.rule
            self.screen.reply.wait(reading(event.prompt_tokens, event.cached_tokens))

    def _finished(self, event: Finished) -> None:
        self.flush()
        self.screen.conclude(event.reason, event.usage, event.text)
        if (reply := self._end()) is not None:
            reply.finish(event)
        self._next()

    def _failed(self, event: Failed) -> None:
        self.flush()
        self.screen.conclude("error")
        self._break_off()
        self.screen.transcript.card(card(event.error, event.message))
        self._next()

    def _trouble(self, trouble: Trouble) -> None:
        self.flush()
        screen = self.screen
        gone = trouble.where in ("load", "lost")
        if trouble.error == "Recording":
            screen.view.recording = False
            screen.mark()
        else:
            screen.figures.pool.owners.clear()
            screen.conclude("error")
            self._break_off()
        if gone:
            screen.ready, screen.failed = False, True
            screen.query(LoadingLine).remove()
            if screen.waiting:
                screen.prompt.load_text("\n".join(view.text for view in screen.waiting))
                screen.waiting.clear()
            screen.offer = trouble.offer
        words = card(
            trouble.error,
            trouble.message,
            where=trouble.where,
            expected=trouble.expected,
            log=str(log_path()),
            offer=trouble.offer.words if trouble.offer is not None else "",
        )
        screen.transcript.card(words)
        if gone and not screen.prompt.text:
            # The card's keys are plain ones.
            screen.transcript.focus()
        screen.refresh_bindings()
        if not gone:
            self._next()

    def _rewound(self, rewound: Rewound) -> None:
        self._tokens = []
        self._running = None
        screen = self.screen
        screen.reply = None
        with screen.app.batch_update():
            screen.transcript.clear()
            screen.figures.reset()
            for event in rewound.events:
                self._event(event)
            self.flush()
        screen.mark()

    def _break_off(self) -> None:
        """Keep what there is of a reply that failed; nothing leaves no trace."""
        if (reply := self._end()) is not None:
            if reply.text:
                reply.close("broken off")
            else:
                reply.remove()

    def _end(self) -> ReplyView | None:
        """The reply that was running, which runs no more."""
        screen = self.screen
        reply, screen.reply = screen.reply, None
        self._running = None
        screen.mark()
        screen.refresh_bindings()
        return reply

    def _next(self) -> None:
        if self.screen.waiting and self.screen.ready and not self.screen.answering:
            self.screen.ask(self.screen.waiting.popleft())
