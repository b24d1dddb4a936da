"""A wall clock that somebody sets, forwards and back: no order, no saving and no figure depends on it."""

from __future__ import annotations

import re
import sqlite3
import time
from pathlib import Path

import pytest
from making import usage

from helix_tui.conversation import Conversation
from helix_tui.store import Store

ROOT = Path(__file__).parents[2]
HOUR, DAY = 3600.0, 24 * 3600.0


class Stepping:
    """A clock that goes back an hour, and now and then forward a year, with each reading."""

    def __init__(self) -> None:
        self.now, self._reads = 1_700_000_000.0, 0

    def __call__(self) -> float:
        self._reads += 1
        self.now += 365 * DAY if self._reads % 7 == 3 else -HOUR
        return self.now


def turn(store: Store, chat: Conversation, text: str) -> None:
    reply = chat.ask(text)
    store.save(chat, *chat.path[-2:])
    chat.close("eos", usage())
    store.save(chat, reply)


def test_chats_and_messages_keep_their_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Stepping()
    monkeypatch.setattr(time, "time", clock)
    store = Store(tmp_path, clock)
    chats = [Conversation() for _ in range(6)]
    for number, chat in enumerate(chats):
        turn(store, chat, f"owl {number}")
    assert [found.id for found in store.recent()] == [chat.id for chat in reversed(chats)]
    turn(store, chats[1], "owl again")
    turn(store, chats[1], "and again")
    order = [chats[1], *(chat for chat in reversed(chats) if chat is not chats[1])]
    assert [found.id for found in store.recent()] == [chat.id for chat in order]
    assert [found.id for found in store.search("owl")] == [chat.id for chat in order]
    again = store.load(chats[1].id)
    assert again is not None
    assert [message.text for message in again.path if message.role == "user"] == ["owl 1", "owl again", "and again"]
    store.close()


def test_what_was_deleted_tomorrow_goes_a_day_from_now(tmp_path: Path) -> None:
    now = [100 * DAY]
    store = Store(tmp_path, lambda: now[0])
    chat = Conversation()
    turn(store, chat, "first")
    store.delete(chat.id)
    store.close()
    now[0] = 50 * DAY  # Set right: it had been far ahead.
    for days, there in ((0.0, True), (0.9, True), (1.1, False)):
        now[0] = (50 + days) * DAY
        store = Store(tmp_path, lambda: now[0])
        assert (store.load(chat.id) is not None) is there
        store.close()


def test_an_older_database_keeps_the_order_it_showed(tmp_path: Path) -> None:
    store = Store(tmp_path)
    chats = [Conversation() for _ in range(4)]
    for number, chat in enumerate(chats):
        turn(store, chat, f"question {number}")
    store.close()
    db = sqlite3.connect(tmp_path / "history.db", isolation_level=None)
    db.execute("DROP INDEX chats_by_use")
    db.execute("ALTER TABLE chats DROP COLUMN used")
    for at, number in enumerate((2, 0, 3, 1)):
        db.execute("UPDATE chats SET updated = ? WHERE id = ?", (float(at), chats[number].id))
    db.execute("PRAGMA user_version = 2")
    db.close()
    store = Store(tmp_path)
    assert [found.title for found in store.recent()] == [f"question {number}" for number in (1, 3, 0, 2)]
    turn(store, chats[2], "more")
    assert store.recent()[0].id == chats[2].id
    store.close()


def test_saving_goes_on_whatever_the_wall_clock_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", Stepping())
    store = Store(tmp_path)
    chat = Conversation()
    for number in range(5):
        turn(store, chat, f"question {number}")
        assert store.flush()
    store.close()


def test_durations_are_measured_by_a_clock_that_nobody_sets() -> None:
    """Animations, pacing, figures and time-outs: the wall clock is read only where a date is shown or kept."""
    read = {
        str(file.relative_to(ROOT))
        for package in ("engine", "helix_tui")
        for file in (ROOT / package).rglob("*.py")
        if re.search(r"\btime\.time\b|datetime\.(now|today|utcnow)|time\.(localtime|gmtime|time_ns)", file.read_text())
    }
    assert read <= {
        "engine/bench/report.py",
        "engine/models/remembered.py",
        "engine/recording.py",  # when it was recorded
        "engine/server/openai_shapes.py",  # `created`
        "helix_tui/cli/history.py",  # how long ago
        "helix_tui/conversation.py",
        "helix_tui/screens/actions/recording.py",  # a file's name
        "helix_tui/screens/actions/sharing.py",  # a card's date
        "helix_tui/screens/race.py",
        "helix_tui/store/database.py",  # a file's name
        "helix_tui/store/store.py",
    }
