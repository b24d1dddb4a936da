"""The chat so far, following its end unless the person scrolled away from it."""

from __future__ import annotations

from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.message import Message
from textual.widget import Widget

from ..render.card import Card
from .loading import LoadingLine, Welcome
from .turns import CardView, NoteView, QuestionView, ReplyView

SELECTED = "-selected"


class Transcript(VerticalScroll):
    """Turns from top to bottom; while the model loads, the loading line stays last.

    They stand in a column at least as tall as the view: an anchored view of less would hang at its bottom.
    """

    class Typed(Message):
        """A key that belongs in the prompt was pressed here."""

        def __init__(self, character: str) -> None:
            super().__init__()
            self.character = character

    def __init__(self, *first: Widget, id: str | None = None) -> None:
        super().__init__(id=id)
        self._column = Vertical(*first, id="turns")

    def compose(self) -> ComposeResult:
        yield self._column

    def on_mount(self) -> None:
        self.anchor()

    @property
    def turns(self) -> list[Widget]:
        """Everything in it, in order."""
        return list(self._column.children)

    @property
    def selected(self) -> QuestionView | ReplyView | None:
        """The turn that message keys act on: the one chosen with `select`, else the last."""
        turns = self._messages
        return next((turn for turn in turns if turn.has_class(SELECTED)), turns[-1] if turns else None)

    @property
    def _messages(self) -> list[QuestionView | ReplyView]:
        return [turn for turn in self.turns if isinstance(turn, (QuestionView, ReplyView))]

    def select(self, by: int) -> None:
        """Choose the turn so many further down; past the last one, none is chosen and the view follows the end."""
        turns = self._messages
        marked = [turn.has_class(SELECTED) for turn in turns]
        at = marked.index(True) if True in marked else len(turns)
        for turn in turns:
            turn.remove_class(SELECTED)
        to = max(0, at + by)
        if turns and to < len(turns):
            turns[to].add_class(SELECTED)
            self.scroll_to_widget(turns[to], animate=False)
        else:
            self.follow()

    def on_key(self, event: events.Key) -> None:
        if event.key in self.screen.active_bindings:
            return
        if event.key in ("enter", "i"):
            event.stop()
            self.post_message(self.Typed(""))
        elif event.is_printable and event.character:
            event.stop()
            self.post_message(self.Typed(event.character))

    def question(self, text: str) -> None:
        self._add(QuestionView(text))
        self.follow()

    def reply(self, *, coloured: bool) -> ReplyView:
        view = ReplyView(coloured=coloured)
        self._add(view)
        return view

    def card(self, card: Card) -> None:
        self._add(CardView(card))
        self.follow()

    def wait_with(self, line: LoadingLine) -> None:
        self._column.mount(line)

    def note(self, words: str) -> None:
        self._add(NoteView(words))

    def clear(self) -> None:
        """Everything goes but the loading line."""
        for child in self.turns:
            if not isinstance(child, LoadingLine):
                child.remove()
        self.follow()

    def follow(self) -> None:
        """Go to the end and stay there."""
        self.anchor()

    def _add(self, turn: Widget) -> None:
        self.query(Welcome).remove()
        lines = [child for child in self.turns if isinstance(child, LoadingLine)]
        if lines:
            self._column.mount(turn, before=lines[0])
        else:
            self._column.mount(turn)
