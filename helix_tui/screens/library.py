"""The conversations of the store: found by their words, opened, renamed, deleted and brought back."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from ..render.library import entry
from ..render.text import safe
from ..render.units import count
from ..store import Store, StoreError, Summary

LIMIT = 200
KEYS = "enter open · ctrl+r rename · ctrl+d delete · ctrl+z undo · esc close"


class LibraryScreen(ModalScreen[Summary | None]):
    """Typing searches; the result is the conversation to open. `deleted` holds the ids that were deleted here."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "back", "Close", id="library.close", priority=True),
        Binding("f2", "dismiss", show=False, id="library.toggle", priority=True),
        Binding("up", "move('cursor_up')", show=False, id="library.up", priority=True),
        Binding("down", "move('cursor_down')", show=False, id="library.down", priority=True),
        Binding("pageup", "move('page_up')", show=False, id="library.page_up", priority=True),
        Binding("pagedown", "move('page_down')", show=False, id="library.page_down", priority=True),
        Binding("ctrl+r", "rename", "Rename", id="library.rename", priority=True),
        Binding("ctrl+d,delete", "delete", "Delete", id="library.delete", priority=True),
        Binding("ctrl+z", "undo", "Undo", id="library.undo", priority=True),
    ]

    def __init__(self, store: Store, current: str) -> None:
        super().__init__()
        self.store = store
        self.current = current
        self.found: list[Summary] = []
        self.deleted: list[str] = []
        self._titles: dict[str, str] = {}
        self._renaming: Summary | None = None
        self.search = Input(placeholder="Search your chats", id="search")
        self.list = OptionList(id="chats", markup=False)
        self.title_box = Input(id="title", select_on_focus=False)
        self.said = Static("", markup=False, id="said")

    def compose(self) -> ComposeResult:
        with Vertical(id="library"):
            yield self.search
            yield self.list
            yield self.title_box
            yield self.said
            yield Static(KEYS, markup=False, id="keys")

    def on_mount(self) -> None:
        self.title_box.display = False
        self.list.can_focus = False
        self.search.focus()
        self.look()

    def on_resize(self, event: events.Resize) -> None:
        self.call_after_refresh(self._draw)

    @on(Input.Changed, "#search")
    def look(self) -> None:
        """Read the list, for the words in the search, from its beginning."""
        self.run_worker(self._read(self.search.value), exclusive=True, exit_on_error=False)

    def _look_again(self, id: str) -> None:
        """Read it after a change; the highlight is on that conversation."""
        self.run_worker(self._read(self.search.value, id), exclusive=True, exit_on_error=False)

    async def _read(self, words: str, id: str = "") -> None:
        try:
            find = partial(self.store.search, words) if words.strip() else self.store.recent
            self.found = await asyncio.to_thread(find, LIMIT)
        except StoreError as error:
            self.found = []
            self._say(str(error))
        else:
            self._say(self.store.trouble or self._summary(words))
        self._draw(next((at for at, chat in enumerate(self.found) if chat.id == id), 0))

    def _summary(self, words: str) -> str:
        if words.strip():
            return f"{count(len(self.found), 'chat')} with these words" if self.found else "Nothing has these words"
        if len(self.found) == LIMIT:
            return f"The last {LIMIT} chats; a search finds the older ones too"
        return count(len(self.found), "chat") if self.found else "No chats yet: ask something"

    def _draw(self, at: int | None = None) -> None:
        at = self.list.highlighted if at is None else at
        width = self.list.scrollable_content_region.width - 2
        now = self.store.now()
        self.list.clear_options()
        self.list.add_options([Option(entry(chat, now, width, current=chat.id == self.current)) for chat in self.found])
        if self.found:
            self.list.highlighted = min(at or 0, len(self.found) - 1)

    @property
    def chosen(self) -> Summary | None:
        at = self.list.highlighted
        return self.found[at] if at is not None and at < len(self.found) else None

    # Keys

    def action_move(self, how: str) -> None:
        if self._renaming is None:
            getattr(self.list, f"action_{how}")()

    def action_back(self) -> None:
        """Out of renaming, out of the search, out of here."""
        if self._renaming is not None:
            self._end_rename()
        elif self.search.value:
            self.search.value = ""
        else:
            self.dismiss(None)

    @on(Input.Submitted, "#search")
    def open(self) -> None:
        if self.chosen is not None:
            self.dismiss(self.chosen)

    @on(OptionList.OptionSelected)
    def open_clicked(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(self.found[event.option_index])

    def action_rename(self) -> None:
        if self._renaming is None and (chat := self.chosen) is not None:
            self._renaming = chat
            self.title_box.value = chat.title
            self.title_box.cursor_position = len(chat.title)
            self.title_box.display = True
            self.title_box.focus()

    @on(Input.Submitted, "#title")
    def renamed(self) -> None:
        chat, title = self._renaming, " ".join(self.title_box.value.split())
        self._end_rename()
        if chat is not None and title and title != chat.title:
            self._titles[chat.id] = title
            self.store.rename(chat.id, title)
            self._look_again(chat.id)

    def _end_rename(self) -> None:
        self._renaming = None
        self.title_box.display = False
        self.search.focus()

    def action_delete(self) -> None:
        if self._renaming is None and (chat := self.chosen) is not None:
            self.store.delete(chat.id)
            self.deleted.append(chat.id)
            self.found.remove(chat)
            self._draw()
            self._say(f"Deleted “{safe(chat.title)}” · ctrl+z brings it back")

    def action_undo(self) -> None:
        if self.deleted:
            self.store.undelete(back := self.deleted.pop())
            self._look_again(back)
        else:
            self._say("Nothing was deleted here")

    def title_of(self, id: str) -> str | None:
        """The new title of a conversation that was renamed here."""
        return self._titles.get(id)

    def _say(self, words: str) -> None:
        self.said.update(Content(words))
