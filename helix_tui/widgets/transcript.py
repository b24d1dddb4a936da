"""The chat so far, following its end unless the person scrolled away from it."""

from __future__ import annotations

from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.geometry import Region, Size
from textual.layout import DockArrangeResult
from textual.message import Message as TextualMessage
from textual.scrollbar import ScrollBar
from textual.widget import Widget

from ..conversation import Conversation, Message
from ..render.card import Card
from ..render.place import Places, kept
from .bare import Bare, BareVertical
from .loading import LoadingLine, Welcome
from .turns import CardView, NoteView, QuestionView, ReplyView

SELECTED = "-selected"


class Transcript(VerticalScroll, Bare, inherit_bindings=False):
    """Turns from top to bottom; while the model loads, the loading line stays last.

    They stand in a column at least as tall as the view: an anchored view of less would hang at its bottom.
    """

    # The scrolling keys of VerticalScroll but left and right, which walk between versions.
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "scroll_up", show=False, id="transcript.up"),
        Binding("down", "scroll_down", show=False, id="transcript.down"),
        Binding("home", "scroll_home", show=False, id="transcript.home"),
        Binding("end", "scroll_end", show=False, id="transcript.end"),
        Binding("pageup", "page_up", show=False, id="transcript.page_up"),
        Binding("pagedown", "page_down", show=False, id="transcript.page_down"),
    ]

    class Typed(TextualMessage):
        """A key that belongs in the prompt was pressed here."""

        def __init__(self, character: str) -> None:
            super().__init__()
            self.character = character

    def __init__(self, *first: Widget, id: str | None = None) -> None:
        super().__init__(id=id)
        self._column = BareVertical(*first, id="turns")
        self._places: Places = {}
        self._wide = 0

    def compose(self) -> ComposeResult:
        yield self._column

    def on_mount(self) -> None:
        self.anchor()

    def arrange(self, size: Size, optimal: bool = False) -> DockArrangeResult:
        """Lay out; what a person scrolled to stays where it is, whatever changes its height above or below."""
        arranged = super().arrange(size, optimal)
        for place in arranged.placements:
            if place.widget is self._column:
                self._keep_place(place.region, size)
        return arranged

    def _keep_place(self, column: Region, size: Size) -> None:
        inside = self._column.gutter
        room = Size(column.width - inside.width, column.height - inside.height)
        places = {p.widget: (p.region.y + inside.top, p.region.height) for p in self._column.arrange(room).placements}
        if places == self._places:
            return
        if self._anchor_released:
            scroll = kept(round(self.scroll_y), self._places, places, rewrapped=self._wide != size.width)
            scroll = max(0, min(scroll, column.height - size.height))
            # As the compositor does for an anchored view: in the middle of a layout nothing may ask for another.
            self.set_reactive(Widget.scroll_y, scroll)
            self.set_reactive(Widget.scroll_target_y, scroll)
            self.vertical_scrollbar.set_reactive(ScrollBar.position, scroll)
        self._places, self._wide = places, size.width

    @property
    def turns(self) -> list[Widget]:
        """Everything in it, in order."""
        return list(self._column.children)

    @property
    def selected(self) -> QuestionView | ReplyView | None:
        """The turn that message keys act on: the one chosen with `select`, else the last."""
        turns = self._messages
        return self.chosen or (turns[-1] if turns else None)

    @property
    def chosen(self) -> QuestionView | ReplyView | None:
        """The turn chosen with `select`."""
        return next((turn for turn in self._messages if turn.has_class(SELECTED)), None)

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

    def choose(self, id: str | None) -> None:
        """Choose the turn of that message; none, if it is not shown."""
        for turn in self._messages:
            turn.set_class(turn.message is not None and turn.message.id == id, SELECTED)
        if (chosen := self.chosen) is not None:
            self.scroll_to_widget(chosen, animate=False)

    def on_key(self, event: events.Key) -> None:
        if event.key in self.screen.active_bindings:
            return
        if event.key in ("enter", "i"):
            event.stop()
            self.post_message(self.Typed(""))
        elif event.is_printable and event.character:
            event.stop()
            self.post_message(self.Typed(event.character))

    def question(self, text: str) -> QuestionView:
        view = QuestionView(text)
        self._add(view)
        self.follow()
        return view

    def reply(
        self,
        message: Message | None = None,
        *,
        coloured: bool,
        as_tokens: bool = False,
        before: QuestionView | None = None,
    ) -> ReplyView:
        """An empty reply at the end, or `before` the question that waits for it."""
        view = ReplyView(message, coloured=coloured, as_tokens=as_tokens)
        self._add(view, before)
        return view

    def show(self, conversation: Conversation, *, coloured: bool, as_tokens: bool) -> None:
        """Bring the turns in line with the branch that is looked at: what is on both stays as it is."""
        path = conversation.path
        kept = 0
        for turn, message in zip(self._messages, path, strict=False):
            if turn.message is not message:
                break
            kept += 1
        added: list[Widget] = []
        for message in path[kept:]:
            if message.role == "user":
                added.append(QuestionView(message.text, message))
            else:
                added.append(reply := ReplyView(message, coloured=coloured, as_tokens=as_tokens))
                reply.restore(message)
        last = [child for child in self.turns if isinstance(child, LoadingLine)]
        for child in self._after(kept):
            child.remove()
        self._column.mount_all(added, before=last[0] if last else None)
        self.number(conversation)
        self.choose(None)
        self.follow()

    def _after(self, kept: int) -> list[Widget]:
        """What stands behind so many messages, except the loading line."""
        rest = self.turns
        if kept:
            rest = rest[rest.index(self._messages[kept - 1]) + 1 :]
        return [child for child in rest if not isinstance(child, LoadingLine)]

    def number(self, conversation: Conversation) -> None:
        """Say on each message which of its versions it is."""
        for turn in self._messages:
            if turn.message is not None and turn.message.id in conversation.messages:
                row = conversation.siblings(turn.message)
                turn.number(row.index(turn.message), len(row))

    def card(self, card: Card) -> None:
        self._add(CardView(card))
        self.follow()

    def wait_with(self, line: LoadingLine) -> None:
        self._column.mount(line)

    def note(self, words: str) -> NoteView:
        view = NoteView(words)
        self._add(view)
        return view

    def clear(self) -> None:
        """Everything goes but the loading line."""
        for child in self.turns:
            if not isinstance(child, LoadingLine):
                child.remove()
        self.follow()

    def show_line(self, view: Widget, line: int) -> None:
        """Scroll as little as it takes to see that line of a widget in a turn."""
        top = view.region.y - self.region.y + round(self.scroll_y) + line
        self.scroll_to_region(Region(0, top, 1, 1), animate=False, force=True)

    def action_scroll_home(self) -> None:
        """At once: an animation would draw all that lies between."""
        self.scroll_home(animate=False)

    def follow(self) -> None:
        """Go to the end and stay there."""
        self.anchor()

    def _add(self, turn: Widget, before: Widget | None = None) -> None:
        """At the end, but for a loading line; or `before` another turn."""
        self.query(Welcome).remove()
        lines = [child for child in self.turns if isinstance(child, LoadingLine)]
        self._column.mount(turn, before=before or (lines[0] if lines else None))
