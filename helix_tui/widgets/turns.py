"""What stands in the transcript: a question, a reply, a card."""

from __future__ import annotations

from collections.abc import Iterable

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Static

from engine.events import Finished

from ..conversation import Message
from ..journal import Journal
from ..render.card import Card
from ..render.flow import Run
from ..render.markdown import Markdown, readable
from ..render.public import public
from ..render.summary import ending, summary, versions
from ..render.text import safe
from ..stage import STAGE
from .bare import BareVertical
from .token_view import TokenView


class QuestionView(Vertical):
    """What the person wrote."""

    def __init__(self, text: str, message: Message | None = None) -> None:
        super().__init__()
        self.text = text
        self.message = message
        """Its place in the conversation; None while it waits to be asked."""
        self.branch = Static("", markup=False, classes="branch")
        self.branch.display = False

    @property
    def source(self) -> str:
        return self.text

    def compose(self) -> ComposeResult:
        view = TokenView()
        view.extend([(self.text, "question")])
        yield view
        yield self.branch

    def say(self, words: str) -> None:
        """Which version it is, or what is being done with it; nothing hides the line."""
        self.branch.update(Content(words))
        self.branch.display = bool(words)

    def number(self, at: int, of: int) -> None:
        """Say that there are other versions of it."""
        self.say(versions(at, of))


class ReplyView(BareVertical):
    """One reply: tokens while it streams; when it is done, Markdown and a line of figures."""

    def __init__(self, message: Message | None = None, *, coloured: bool = True, as_tokens: bool = False) -> None:
        super().__init__()
        self.message = message
        """Its place in the conversation; None in a replay."""
        self._as_tokens = as_tokens
        self._finished = False
        self.body = TokenView(coloured=coloured)
        self.foot = Static("", markup=False, classes="foot")
        self.body.display = False
        self.journal = message.journal if message is not None else Journal()
        self._pieces: list[str] = []
        self._words = self._versions = ""

    def compose(self) -> ComposeResult:
        yield self.body
        yield self.foot

    @property
    def text(self) -> str:
        """As it is shown: control characters as pictures."""
        return self.body.text

    @property
    def source(self) -> str:
        """As the model wrote it."""
        return "".join(self._pieces)

    def extend(self, pieces: Iterable[Run]) -> None:
        pieces = list(pieces)
        self._pieces += [text for text, _ in pieces]
        self.body.extend(pieces, grow=not self.body.display)
        if self.text and not self.body.display:
            self.body.display = True
            self.foot.display = False

    @property
    def prefers_tokens(self) -> bool:
        """What `as_tokens` was last set to."""
        return self._as_tokens

    @property
    def as_tokens(self) -> bool:
        """Whether the tokens are what is shown: always while it runs, and where it is too long for Markdown."""
        return self.body.page is self.body.flow

    @as_tokens.setter
    def as_tokens(self, wanted: bool) -> None:
        self._as_tokens = wanted
        if self._finished and wanted != self.as_tokens:
            page = Markdown(self.source) if not wanted and readable(self.source) else None
            self.body.show(page)

    def wait(self, words: str) -> None:
        """Say what happens before the first word."""
        self.foot.update(Content(words))

    def finish(self, event: Finished) -> None:
        self.close(summary(event.reason, event.usage))

    def close(self, words: str) -> None:
        """End the reply with one quiet line."""
        self._finished = True
        self.body.grow()
        self.as_tokens = self._as_tokens
        self._words = words
        self._close()

    def restore(self, message: Message) -> None:
        """Show a reply of an earlier time, as it was."""
        self.extend(message.runs)
        self.close(ending(message.reason, message.usage, len(message.tokens)))

    def number(self, at: int, of: int) -> None:
        """Say that there are other replies to the same question."""
        self._versions = versions(at, of)
        if self._words:
            self._close()

    def _close(self) -> None:
        self.foot.update(Content(" · ".join(part for part in (self._versions, self._words) if part)))
        self.foot.display = True


PARTS = ("title", "body", "hint")


class CardView(Vertical):
    """Something went wrong, and what to do about it."""

    def __init__(self, card: Card) -> None:
        super().__init__()
        self.card = card

    def compose(self) -> ComposeResult:
        for part in PARTS:
            yield Static(Content(safe(getattr(self.card, part))), markup=False, classes=part)

    def on_mount(self) -> None:
        if self.app.has_class(STAGE):
            self.discreet(True)

    def discreet(self, on: bool) -> None:
        """Say it without paths and names, or in full."""
        for part in PARTS:
            words = getattr(self.card, part)
            self.query_one(f".{part}", Static).update(Content(safe(public(words) if on else words)))


class NoteView(Static):
    """A quiet line between turns."""

    def __init__(self, words: str) -> None:
        super().__init__(Content(safe(words)), markup=False)
