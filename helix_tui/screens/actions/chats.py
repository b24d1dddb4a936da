"""The chats of other days: the library, and this one written to a file."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

from ...conversation import Conversation
from ...export import FORMATS, write_new
from ...store import StoreError, Summary
from ..core import ChatCore
from ..library import LibraryScreen


class ChatsActions(ChatCore):
    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "library":
            # What was asked on other days is nothing for an audience.
            return not self.replaying and not getattr(self.app, "staged", False)
        if action == "export":
            return not self.replaying
        return super().check_action(action, parameters)

    def action_library(self) -> None:
        library = LibraryScreen(self.store, self.conversation.id)
        self.app.push_screen(library, lambda chosen: self._left(library, chosen))

    def _left(self, library: LibraryScreen, chosen: Summary | None) -> None:
        self.conversation.title = library.title_of(self.conversation.id) or self.conversation.title
        if (id := self.conversation.id) in library.deleted:
            self.show(Conversation(self.conversation.system, self.settings))
            # Its running reply was written once more, which brings a chat back.
            self.store.delete(id)
        if chosen is not None:
            self.run_worker(self._open(chosen), group="open", exclusive=True, exit_on_error=False)

    async def _open(self, chosen: Summary) -> None:
        """Look at the chat, at the message that was found if there was one."""
        conversation: Conversation | None = self.conversation
        if chosen.id != self.conversation.id:
            try:
                conversation = await asyncio.to_thread(self.store.load, chosen.id)
            except StoreError as error:
                self.notify(str(error), severity="error", timeout=8, markup=False)
                return
        if conversation is None or (conversation is self.conversation and self.answering):
            return
        if (hit := conversation.messages.get(chosen.hit or "")) is not None and hit not in conversation.path:
            conversation.go(hit)
        if conversation is not self.conversation:
            self.restore_settings(conversation)
        self.show(conversation)
        if hit is not None:
            self.transcript.focus()
            self.call_after_refresh(self.transcript.choose, hit.id)
        else:
            self.prompt.focus()

    def restore_settings(self, conversation: Conversation) -> None:
        """Ask the next question with what the last one was asked with."""
        self.settings = replace(conversation.settings, messages=())
        if self.view.has_draft:
            self.view.depth = self.settings.depth

    def action_export(self, format: str = "md") -> None:
        if not len(self.conversation):
            self.notify("There is nothing to export yet", timeout=3)
            return
        try:
            path = write_new(Path.cwd(), self.conversation, FORMATS[format], format)
        except OSError as error:
            self.notify(f"The chat cannot be written here: {error.strerror}", severity="error", timeout=8, markup=False)
        else:
            self.notify(f"Written to {path}", timeout=8, markup=False)
