"""What is written, each a function of one connection inside a transaction that is all or nothing."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import replace

from engine.events import Emitted

from ..conversation import Conversation, Message
from ..messages import clean
from .rows import facts_json, pack, settings_json, unpack
from .schema import words

KEPT_DELETED = 24 * 3600.0
"""Seconds after which a chat that was deleted, and not brought back, is gone from the disk too."""


def header(conversation: Conversation) -> tuple[object, ...]:
    """The conversation's own row as of now: id, title, system, settings, leaf, created."""
    return (
        conversation.id,
        clean(conversation.title),
        conversation.system and clean(conversation.system),
        settings_json(conversation.settings),
        conversation.leaf,
        conversation.created,
    )


def frozen(message: Message) -> Message:
    """The message as of now: what the chat adds to it later does not change it."""
    return replace(message, tokens=list(message.tokens))


def has_chat(db: sqlite3.Connection, chat: str) -> bool:
    return db.execute("SELECT 1 FROM chats WHERE id = ?", (chat,)).fetchone() is not None


def save_header(db: sqlite3.Connection, row: tuple[object, ...], now: float) -> None:
    """A chat that goes on is not deleted; its title is changed by `rename` only."""
    db.execute(
        """INSERT INTO chats(id, title, system, settings, leaf, created, updated, used)
        VALUES (?, ?, ?, ?, ?, ?, ?, (SELECT coalesce(max(used), 0) + 1 FROM chats))
        ON CONFLICT(id) DO UPDATE SET system = excluded.system, settings = excluded.settings, leaf = excluded.leaf,
        updated = excluded.updated, used = excluded.used, deleted = NULL""",
        (*row, now),
    )


def save_message(db: sqlite3.Connection, chat: str, message: Message) -> None:
    """The message whole; its pieces are not needed any more."""
    tokens = pack(message.tokens)
    db.execute(
        """INSERT INTO messages(id, chat, parent, role, text, tokens, reason, facts, created)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
        ON CONFLICT(id) DO UPDATE SET text = excluded.text, tokens = excluded.tokens, reason = excluded.reason,
        facts = excluded.facts""",
        (message.id, chat, message.parent, message.role, clean(message.text), tokens, message.reason,
         facts_json(message), message.created),
    )  # fmt: skip
    db.execute("DELETE FROM pieces WHERE message = ?", (message.id,))


def append(db: sqlite3.Connection, message: str, tokens: Sequence[Emitted]) -> None:
    text = clean("".join(token.text for token in tokens))
    db.execute("INSERT INTO pieces(message, text, tokens) VALUES (?, ?, ?)", (message, text, pack(tokens)))


def rename(db: sqlite3.Connection, chat: str, title: str) -> None:
    db.execute("UPDATE chats SET title = ? WHERE id = ?", (clean(title), chat))


def delete(db: sqlite3.Connection, chat: str, now: float) -> None:
    db.execute("UPDATE chats SET deleted = ? WHERE id = ?", (now, chat))


def undelete(db: sqlite3.Connection, chat: str) -> None:
    db.execute("UPDATE chats SET deleted = NULL WHERE id = ?", (chat,))


def fold(db: sqlite3.Connection) -> None:
    """Make the pieces of replies that a crash cut off part of their messages, so that they are found by search.

    Harmless to a reply that another process is writing: its later pieces come after, and its end replaces all.
    """
    for (message,) in db.execute("SELECT DISTINCT message FROM pieces").fetchall():
        rows = [db.execute("SELECT text, tokens FROM messages WHERE id = ?", (message,)).fetchone()]
        if rows[0] is not None:
            rows += db.execute("SELECT text, tokens FROM pieces WHERE message = ? ORDER BY key", (message,)).fetchall()
            rows = [(words(part), packed) for part, packed in rows]
            text = "".join(part for part, _ in rows)
            tokens = [token for part, packed in rows for token in unpack(part, packed)]
            db.execute("UPDATE messages SET text = ?, tokens = ? WHERE id = ?", (text, pack(tokens), message))
        db.execute("DELETE FROM pieces WHERE message = ?", (message,))


def purge(db: sqlite3.Connection, now: float) -> None:
    """Remove what was deleted long enough ago."""
    before = now - KEPT_DELETED
    # Deleted tomorrow: the clock was wrong, and counts from here.
    db.execute("UPDATE chats SET deleted = ? WHERE deleted > ?", (now, now))
    gone = "SELECT id FROM chats WHERE deleted < ?"
    db.execute(f"DELETE FROM pieces WHERE message IN (SELECT id FROM messages WHERE chat IN ({gone}))", (before,))
    db.execute(f"DELETE FROM messages WHERE chat IN ({gone})", (before,))
    db.execute("DELETE FROM chats WHERE deleted < ?", (before,))
