"""The tables, and the steps that bring an older database to them. A step that was released is never changed."""

from __future__ import annotations

import re
import sqlite3

# Scripts that put no space between words: each character is indexed as a word, and a word searched as a phrase of them.
_SOLID = re.compile(
    "([\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u9fff\ua000-\ua4cf\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff])"
)
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f]")
JOINT = "\u200b"


def words(cell: object) -> str:
    """A cell that should hold a text; another program may have put anything there."""
    return cell if isinstance(cell, str) else cell.decode("utf-8", "replace") if isinstance(cell, bytes) else ""


def spaced(cell: object) -> str:
    """The text as it is indexed and searched: without controls, and with invisible joints between solid characters."""
    text = words(cell)
    return _SOLID.sub(rf"{JOINT}\1{JOINT}", _CONTROL.sub(" ", text))


_CHATS = (
    """CREATE TABLE chats (
        key INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, title TEXT NOT NULL, system TEXT, settings TEXT NOT NULL,
        leaf TEXT, created REAL NOT NULL, updated REAL NOT NULL, deleted REAL)""",
    """CREATE TABLE messages (
        key INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, chat TEXT NOT NULL, parent TEXT, role TEXT NOT NULL,
        text TEXT NOT NULL, tokens TEXT NOT NULL, reason TEXT, facts TEXT NOT NULL, created REAL NOT NULL)""",
    "CREATE INDEX messages_of_chat ON messages(chat)",
    # What a running reply has so far; gone once the reply is written whole.
    "CREATE TABLE pieces (key INTEGER PRIMARY KEY, message TEXT NOT NULL, text TEXT NOT NULL, tokens TEXT NOT NULL)",
    "CREATE INDEX pieces_of_message ON pieces(message)",
)
_WORDS = (
    "CREATE VIRTUAL TABLE words USING fts5(text, tokenize = 'unicode61 remove_diacritics 2')",
    "CREATE VIRTUAL TABLE titles USING fts5(text, tokenize = 'unicode61 remove_diacritics 2')",
    "INSERT INTO words(rowid, text) SELECT key, spaced(text) FROM messages WHERE text != ''",
    "INSERT INTO titles(rowid, text) SELECT key, spaced(title) FROM chats",
    """CREATE TRIGGER words_come AFTER INSERT ON messages WHEN new.text != '' BEGIN
        INSERT INTO words(rowid, text) VALUES (new.key, spaced(new.text)); END""",
    """CREATE TRIGGER words_change AFTER UPDATE OF text ON messages WHEN new.text != old.text BEGIN
        DELETE FROM words WHERE rowid = old.key;
        INSERT INTO words(rowid, text) VALUES (new.key, spaced(new.text)); END""",
    "CREATE TRIGGER words_go AFTER DELETE ON messages BEGIN DELETE FROM words WHERE rowid = old.key; END",
    """CREATE TRIGGER titles_come AFTER INSERT ON chats BEGIN
        INSERT INTO titles(rowid, text) VALUES (new.key, spaced(new.title)); END""",
    """CREATE TRIGGER titles_change AFTER UPDATE OF title ON chats WHEN new.title != old.title BEGIN
        DELETE FROM titles WHERE rowid = old.key;
        INSERT INTO titles(rowid, text) VALUES (new.key, spaced(new.title)); END""",
    "CREATE TRIGGER titles_go AFTER DELETE ON chats BEGIN DELETE FROM titles WHERE rowid = old.key; END",
)
_ORDER = (
    # Which chat was used last must not depend on a wall clock that somebody may set back.
    "ALTER TABLE chats ADD COLUMN used INTEGER NOT NULL DEFAULT 0",
    """UPDATE chats SET used = place FROM
        (SELECT key AS its, row_number() OVER (ORDER BY updated, key) AS place FROM chats) WHERE its = key""",
    "CREATE INDEX chats_by_use ON chats(used)",
)
STEPS = (_CHATS, _WORDS, _ORDER)
"""`STEPS[n]` leads from schema n to n + 1. Schema 1 had conversations and messages; 2 added the search, 3 the order."""
SCHEMA = len(STEPS)


def version(db: sqlite3.Connection) -> int:
    return int(db.execute("PRAGMA user_version").fetchone()[0])


def migrate(db: sqlite3.Connection) -> None:
    """Bring the database to `SCHEMA` in one transaction: all of it or nothing."""
    if version(db) >= SCHEMA:
        return
    db.execute("BEGIN IMMEDIATE")
    try:
        # Read again: another process may have done it while this one waited for the lock.
        for step in STEPS[version(db) :]:
            for statement in step:
                db.execute(statement)
        db.execute(f"PRAGMA user_version = {max(SCHEMA, version(db))}")
        db.execute("COMMIT")
    except BaseException:
        db.execute("ROLLBACK")
        raise
