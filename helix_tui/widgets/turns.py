"""What stands in the transcript: a question, a reply, a card."""

from __future__ import annotations

from collections.abc import Iterable

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Static

from engine.events import Finished

from ..render.card import Card
from ..render.flow import Run
from ..render.markdown import Markdown, readable
from ..render.summary import summary
from ..render.text import safe
from .token_view import TokenView


class QuestionView(Vertical):
    """What the person wrote."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text

    @property
    def source(self) -> str:
        return self.text

    def compose(self) -> ComposeResult:
        view = TokenView()
        view.extend([(self.text, "question")])
        yield view


class ReplyView(Vertical):
    """One reply: tokens while it streams; when it is done, Markdown and a line of figures."""

    def __init__(self, *, coloured: bool = True, as_tokens: bool = False) -> None:
        super().__init__()
        self._as_tokens = as_tokens
        self._finished = False
        self.body = TokenView(coloured=coloured)
        self.foot = Static("", markup=False, classes="foot")
        self.body.display = False
        self._pieces: list[str] = []

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
        self.body.extend(pieces)
        if self.text and not self.body.display:
            self.body.display = True
            self.foot.display = False

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
        self.as_tokens = self._as_tokens
        self.foot.update(Content(words))
        self.foot.display = True


class CardView(Vertical):
    """Something went wrong, and what to do about it."""

    def __init__(self, card: Card) -> None:
        super().__init__()
        self.card = card

    def compose(self) -> ComposeResult:
        yield Static(Content(safe(self.card.title)), markup=False, classes="title")
        yield Static(Content(safe(self.card.body)), markup=False, classes="body")
        yield Static(Content(safe(self.card.hint)), markup=False, classes="hint")


class NoteView(Static):
    """A quiet line between turns."""

    def __init__(self, words: str) -> None:
        super().__init__(Content(safe(words)), markup=False)
