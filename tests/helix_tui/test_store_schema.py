"""Databases of other versions: an older one is brought up to date, and a migration that fails changes nothing."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from stored import wrote

from helix_tui.store import Store

SCHEMA_1 = """
CREATE TABLE chats (
    key INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, title TEXT NOT NULL, system TEXT, settings TEXT NOT NULL,
    leaf TEXT, created REAL NOT NULL, updated REAL NOT NULL, deleted REAL);
CREATE TABLE messages (
    key INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, chat TEXT NOT NULL, parent TEXT, role TEXT NOT NULL,
    text TEXT NOT NULL, tokens TEXT NOT NULL, reason TEXT, facts TEXT NOT NULL, created REAL NOT NULL);
CREATE INDEX messages_of_chat ON messages(chat);
CREATE TABLE pieces (key INTEGER PRIMARY KEY, message TEXT NOT NULL, text TEXT NOT NULL, tokens TEXT NOT NULL);
CREATE INDEX pieces_of_message ON pieces(message);
PRAGMA application_id = 1212501080;
PRAGMA user_version = 1;
INSERT INTO chats VALUES (1, 'c1', 'An old chat', NULL, '{"depth": 3, "sampling": {"temperature": 0.5, "gone": 1}}',
    'm2', 1.0, 2.0, NULL);
INSERT INTO messages VALUES (1, 'm1', 'c1', NULL, 'user', 'Where does the owl live?', '[]', NULL, '{}', 1.0);
INSERT INTO messages VALUES (2, 'm2', 'c1', 'm1', 'assistant', 'In a hollow tree.', '[[5,3,"d"],[6,14,"c"]]', 'eos',
    '{"model": "org/model"}', 2.0);
INSERT INTO messages VALUES (3, 'm3', 'c1', 'm1', 'assistant', '', '[]', NULL, '{}', 2.5);
INSERT INTO pieces VALUES (1, 'm3', 'In the chim', '[[5,11,"p"]]');
"""


def test_a_database_of_the_first_schema_is_brought_up_to_date(tmp_path: Path) -> None:
    db = sqlite3.connect(tmp_path / "history.db")
    db.executescript(SCHEMA_1)
    db.close()
    store = Store(tmp_path)
    assert [found.id for found in store.search("hollow")] == ["c1"]
    assert [found.hit for found in store.search("chim")] == ["m3"]
    assert [found.title for found in store.search("old chat")] == ["An old chat"]
    chat = store.load("c1")
    assert chat is not None
    assert (chat.settings.depth, chat.settings.sampling.temperature) == (3, 0.5)
    assert chat.path[-1].runs == [("In ", "draft"), ("a hollow tree.", "correction")]
    assert [m.text for m in chat.siblings(chat.path[-1])] == ["In a hollow tree.", "In the chim"]
    assert store.news() == []
    store.close()


def test_a_migration_that_fails_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "history.db"
    db = sqlite3.connect(path)
    db.executescript(SCHEMA_1)
    monkeypatch.setattr("helix_tui.store.schema.STEPS", ((), ("CREATE TABLE half (x)", "nonsense")))
    store = Store(tmp_path)
    wrote(store)
    assert not store.flush()
    (sentence,) = store.news()
    assert sentence.startswith("This chat is not saved: ")
    store.close()
    assert db.execute("PRAGMA user_version").fetchone() == (1,)
    assert db.execute("SELECT count(*) FROM sqlite_master WHERE name = 'half'").fetchone() == (0,)
    db.close()
