"""What is read, each a function of one connection: the list, the search, one conversation."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from ..conversation import Conversation
from .rows import conversation_from, message_from, moment
from .schema import JOINT, spaced, words

OPEN, CLOSE = "\x02", "\x03"
HITS = 500
"""Messages looked at in a search, the best first."""


@dataclass(frozen=True, slots=True)
class Summary:
    """A conversation in the list. `hit` is the message that a search found, `snippet` its words around the match."""

    id: str
    title: str
    created: float
    updated: float
    messages: int
    """On all branches, questions and replies."""
    preview: str = ""
    """The start of its last reply."""
    hit: str | None = None
    snippet: tuple[tuple[str, bool], ...] = ()
    """(text, whether it matched) pieces."""


_COLUMNS = """chats.id, title, chats.created, updated,
    (SELECT count(*) FROM messages WHERE chat = chats.id),
    coalesce((SELECT substr(text, 1, 200) FROM messages WHERE chat = chats.id AND text != '' ORDER BY key DESC), '')"""


def listing(db: sqlite3.Connection, limit: int) -> list[Summary]:
    """The conversations that are not deleted, the one used last first."""
    rows = db.execute(
        f"SELECT {_COLUMNS} FROM chats WHERE deleted IS NULL ORDER BY used DESC, key DESC LIMIT ?", (limit,)
    )
    return [_summary(row) for row in rows]


def _summary(row: tuple[Any, ...]) -> Summary:
    id, title, created, updated, messages, preview = row
    return Summary(id, words(title), moment(created), moment(updated), messages, words(preview))


def expression(words: str) -> str:
    """A person's words as a search that is always valid: each is text to be found, and may go on."""
    found = [word for word in words.replace('"', " ").replace("\0", " ").split() if re.search(r"\w", word)]
    return " ".join(f'"{spaced(word)}"*' for word in found)


def search(db: sqlite3.Connection, words: str, limit: int) -> list[Summary]:
    """Conversations with a message, or a title, that has all the words, the one used last first."""
    if not (match := expression(words.encode("utf-8", "ignore").decode())):
        return []
    found: dict[str, tuple[str | None, str]] = {}
    marks = f"'{OPEN}', '{CLOSE}', '…', 18"
    for chat, message, text in db.execute(
        f"""SELECT chat, id, snippet(words, 0, {marks}) FROM words JOIN messages ON key = words.rowid
        WHERE words MATCH ? ORDER BY rank LIMIT {HITS}""",
        (match,),
    ):
        found.setdefault(chat, (message, text))
    for (chat,) in db.execute("SELECT id FROM titles JOIN chats ON key = titles.rowid WHERE titles MATCH ?", (match,)):
        found.setdefault(chat, (None, ""))
    hits: list[tuple[int, Summary]] = []
    for id, (hit, text) in found.items():
        row = db.execute(f"SELECT used, {_COLUMNS} FROM chats WHERE deleted IS NULL AND id = ?", (id,)).fetchone()
        if row is not None:
            hits.append((row[0], replace(_summary(row[1:]), hit=hit, snippet=tuple(marked(text)))))
    return [summary for _, summary in sorted(hits, key=lambda hit: -hit[0] if isinstance(hit[0], int) else 0)][:limit]


def marked(text: str) -> Iterator[tuple[str, bool]]:
    """A snippet's (text, whether it matched) pieces, on one line."""
    text = re.sub(rf"{CLOSE}{JOINT}*{OPEN}", "", text).replace(JOINT, "")
    inside = False
    for part in re.split(f"([{OPEN}{CLOSE}])", re.sub(r"\s+", " ", text)):
        if part in (OPEN, CLOSE):
            inside = part == OPEN
        elif part:
            yield part, inside


def load(db: sqlite3.Connection, id: str) -> Conversation | None:
    """The conversation, deleted or not; None when there is none."""
    db.row_factory = sqlite3.Row
    # One transaction: a reply must not be folded between reading it and reading its pieces.
    db.execute("BEGIN")
    try:
        chat = db.execute("SELECT * FROM chats WHERE id = ?", (id,)).fetchone()
        if chat is None:
            return None
        pieces: dict[str, list[sqlite3.Row]] = {}
        for piece in db.execute(
            "SELECT pieces.* FROM pieces JOIN messages ON messages.id = message WHERE chat = ? ORDER BY pieces.key",
            (id,),
        ):
            pieces.setdefault(piece["message"], []).append(piece)
        rows = db.execute("SELECT * FROM messages WHERE chat = ? ORDER BY key", (id,)).fetchall()
        return conversation_from(chat, (message_from(row, pieces.get(row["id"], [])) for row in rows))
    finally:
        db.execute("COMMIT")
        db.row_factory = None


def beginning_with(db: sqlite3.Connection, start: str) -> list[str]:
    """Ids of conversations that begin so, at most a few."""
    rows = db.execute(
        "SELECT id FROM chats WHERE deleted IS NULL AND substr(id, 1, ?) = ? LIMIT 5", (len(start), start)
    )
    return [id for (id,) in rows]
