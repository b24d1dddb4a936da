"""The conversations on disk: what the app, the library and the command line ask of them."""

from __future__ import annotations

import os
import sqlite3
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from engine.events import Emitted

from ..conversation import Conversation, Message
from . import reading, writing
from .database import StoreError, connect_to_read, explained
from .reading import Summary
from .schema import SCHEMA, version
from .writer import Writer

NAME = "history.db"
LEAVE = 2.0
"""Seconds that leaving waits for the last write."""
T = TypeVar("T")


class Store:
    """A folder's conversations; without a folder, nothing is kept and nothing found.

    Writing returns at once and is done in order by a thread of its own. Reading waits for what was written before and
    for the disk, so it is not for the UI's thread; it raises StoreError, whose text is for the person.
    """

    def __init__(self, folder: Path | None, now: Callable[[], float] = time.time) -> None:
        self.now = now
        self.path = folder / NAME if folder is not None else None
        self._news: deque[str] = deque()
        self._writer = Writer(self.path, self._news.append) if self.path is not None else None
        if self._writer is not None:
            self._writer.put(writing.fold)
            started = now()
            self._writer.put(lambda db: writing.purge(db, started))

    @property
    def trouble(self) -> str | None:
        """Why nothing is saved now, in one sentence."""
        return self._writer.trouble if self._writer else "This chat is not saved: so it was asked."

    def news(self) -> list[str]:
        """Sentences for the person since the last time: nothing is saved and why, or it is again."""
        return [self._news.popleft() for _ in range(len(self._news))]

    # Writing

    def save(self, conversation: Conversation, *messages: Message) -> None:
        """Write the conversation's own facts and these of its messages, whole and as they are now."""
        if self._writer is None:
            return
        row, now = writing.header(conversation), self.now()
        whole = [writing.frozen(message) for message in messages]
        everything = list(conversation.messages.values())

        def job(db: sqlite3.Connection) -> None:
            if not writing.has_chat(db, conversation.id):
                # New; or deleted by another process, a day ago, and gone on with here.
                for message in everything:
                    writing.save_message(db, conversation.id, writing.frozen(message))
            writing.save_header(db, row, now)
            for message in whole:
                writing.save_message(db, conversation.id, message)

        self._writer.put(job)

    def append(self, message: Message, tokens: Sequence[Emitted]) -> None:
        """Write what a running reply grew by."""
        if self._writer is not None:
            id, new = message.id, tuple(tokens)
            self._writer.put(lambda db: writing.append(db, id, new))

    def rename(self, id: str, title: str) -> None:
        if self._writer is not None:
            self._writer.put(lambda db: writing.rename(db, id, title))

    def delete(self, id: str) -> None:
        """Out of list and search; `undelete` brings it back for a day."""
        if self._writer is not None:
            now = self.now()
            self._writer.put(lambda db: writing.delete(db, id, now))

    def undelete(self, id: str) -> None:
        if self._writer is not None:
            self._writer.put(lambda db: writing.undelete(db, id))

    def flush(self, timeout: float = 5.0) -> bool:
        """Wait until everything is on the disk; False when it is not by then."""
        return self._writer.flush(timeout) if self._writer is not None else False

    def close(self) -> None:
        """Write what is left. Afterwards nothing is written any more."""
        if self._writer is not None:
            self._writer.close(LEAVE)

    # Reading

    def recent(self, limit: int = 200) -> list[Summary]:
        """The conversations, the one used last first."""
        return self._read(lambda db: reading.listing(db, limit), [])

    def search(self, words: str, limit: int = 200) -> list[Summary]:
        """Those in which one message, or the title, has all the words, with a snippet. Any text is a valid search."""
        return self._read(lambda db: reading.search(db, words, limit), [])

    def load(self, id: str) -> Conversation | None:
        return self._read(lambda db: reading.load(db, id), None)

    def find(self, start: str) -> list[str]:
        """Ids that begin so."""
        return self._read(lambda db: reading.beginning_with(db, start), [])

    def _read(self, query: Callable[[sqlite3.Connection], T], nothing: T) -> T:
        if self.path is None:
            return nothing
        self.flush()
        if not os.path.lexists(self.path):
            return nothing
        try:
            db = connect_to_read(self.path)
            try:
                if version(db) != SCHEMA:
                    raise StoreError(self.trouble or f"{self.path} is of another Helix.")
                return query(db)
            finally:
                db.close()
        except sqlite3.Error as error:
            raise StoreError(f"The chats cannot be read: {explained(error, self.path)}.") from error
