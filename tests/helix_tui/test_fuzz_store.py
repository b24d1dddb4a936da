"""A database with anything in it: what can be read is read, what cannot is kept aside, and the chat goes on."""

from __future__ import annotations

import itertools
import random
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from fuzz import fuzz
from hypothesis import given
from hypothesis import strategies as st
from making import usage

from engine.events import Emitted
from helix_tui.conversation import Conversation
from helix_tui.export import FORMATS
from helix_tui.render.library import ago
from helix_tui.store import Store, StoreError
from helix_tui.store.schema import SCHEMA

NUMBERS = itertools.count()


def turn(store: Store, text: str = "Where does the owl live?") -> str:
    chat = Conversation("Be brief.")
    reply = chat.ask(text)
    chat.extend([Emitted(5, "In a ", "draft"), Emitted(6, "tree.", "correction")])
    store.save(chat, *chat.path)
    chat.close("eos", usage())
    store.save(chat, reply)
    return chat.id


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a dozen chats, and a reply that a killed process left in pieces in the log beside the database."""
    folder = tmp_path_factory.mktemp("sound")
    store = Store(folder)
    for number in range(12):
        turn(store, f"question {number} " + "words " * 60)
    chat = Conversation()
    reply = chat.ask("unfinished")
    store.save(chat, *chat.path)
    store.append(reply, [Emitted(1, "half a re", "plain")])
    assert store.flush()
    killed = tmp_path_factory.mktemp("killed")
    for file in folder.iterdir():
        shutil.copy(file, killed)
    store.close()
    assert (killed / "history.db-wal").stat().st_size
    return killed


@pytest.fixture
def copied(sound: Path, tmp_path: Path) -> Any:
    def copy() -> Path:
        return Path(shutil.copytree(sound, tmp_path / str(next(NUMBERS))))

    return copy


def used(folder: Path) -> Store:
    """Everything a person does with it. The only error that may come out is the store's own."""
    store = Store(folder)
    store.flush()
    try:
        found = store.recent() + store.search("owl words")
        for summary in found:
            ago(summary.updated, 0.0)
            if (chat := store.load(summary.id)) is not None:
                for write in FORMATS.values():
                    write(chat)
                chat.ask("and then?")
                chat.close("eos")
                store.save(chat, *chat.path[-2:])
    except StoreError as error:
        assert "\n" not in str(error)
    turn(store)
    store.flush()
    return store


def test_what_a_killed_process_left_in_the_log_is_there(copied: Any) -> None:
    store = used(copied())
    assert len(store.recent()) == 14 and store.trouble is None
    assert [hit.title for hit in store.search("half a re")] == ["unfinished"]
    store.close()


@fuzz(25)
@given(st.data())
def test_bytes_changed_anywhere_in_the_file_or_in_its_log(copied: Any, data: st.DataObject) -> None:
    folder = copied()
    file = folder / data.draw(st.sampled_from(["history.db", "history.db", "history.db-wal", "history.db-shm"]))
    whole = file.read_bytes()
    rng = random.Random(data.draw(st.integers(0, 2**32)))
    how = data.draw(st.sampled_from(["cut", "bits", "block", "header"]))
    changed = bytearray(whole)
    if how == "cut":
        changed = changed[: rng.randrange(len(changed))]
    elif how == "bits":
        for _ in range(rng.randrange(1, 40)):
            changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    else:
        at = rng.randrange(100) if how == "header" else rng.randrange(len(changed))
        changed[at : at + 500] = rng.randbytes(len(changed[at : at + 500]))
    file.write_bytes(bytes(changed))
    store = used(folder)
    news = store.news()
    store.close()
    aside = [path for path in folder.iterdir() if ".damaged-" in path.name and not path.name.endswith(("-wal", "-shm"))]
    # Either it goes on in the same file, or that is kept as it was: never is it made anew in its own place.
    assert len(aside) <= 1
    if file.name == "history.db" and aside:
        assert aside[0].read_bytes() == bytes(changed) and any(str(aside[0]) in sentence for sentence in news)


COLUMNS = {
    "chats": ["title", "system", "settings", "leaf", "created", "updated", "deleted", "used"],
    "messages": ["chat", "parent", "role", "text", "tokens", "reason", "facts", "created"],
    "pieces": ["message", "text", "tokens"],
}
CELLS = st.one_of(
    st.sampled_from(
        ["", "null", "[]", "{}", "5", "[[]]", '[[1,99,"d"]]', '[[1,-3,"d"]]', '[["a",1,{}]]', "[" * 5000, b"\xff\xfe",
         '{"usage": 5, "settings": [], "model": {}}', '{"usage": {"drafted": "x"}, "settings": {"depth": "deep"}}',
         '{"depth": 4, "max_tokens": -5, "seed": true, "sampling": {"temperature": "hot"}}', "9" * 5000]
    ),
    st.integers(-(2**63), 2**63 - 1), st.floats(), st.text(max_size=8, alphabet=st.characters(codec="utf-8")),
)  # fmt: skip


@fuzz(20)
@given(st.data())
def test_any_value_in_any_cell(copied: Any, data: st.DataObject) -> None:
    folder = copied()
    db = sqlite3.connect(folder / "history.db", isolation_level=None)
    db.create_function("spaced", 1, str, deterministic=True)
    before = db.execute("SELECT count(*) FROM messages").fetchone()
    for _ in range(data.draw(st.integers(1, 4))):
        table = data.draw(st.sampled_from(list(COLUMNS)))
        column, cell = data.draw(st.sampled_from(COLUMNS[table])), data.draw(CELLS)
        which = data.draw(st.sampled_from(["1", "key = 1", "key % 3 = 0"]))
        # A value that the table itself refuses.
        try:
            db.execute(f"UPDATE {table} SET {column} = ? WHERE {which}", (cell,))
        except sqlite3.IntegrityError:
            continue
    db.close()
    store = used(folder)
    assert store.trouble is None, store.trouble
    store.close()
    db = sqlite3.connect(folder / "history.db")
    # Chats that seem to have been deleted long ago are the only ones that may go.
    if not db.execute("SELECT 1 FROM chats WHERE deleted IS NOT NULL").fetchone() and before[0] == 26:
        assert db.execute("SELECT count(*) FROM messages").fetchone()[0] >= 2
    db.close()


def test_one_damaged_cell_does_not_end_the_writing(copied: Any) -> None:
    """Folding a reply of a killed process once gave up at tokens that were no JSON, and nothing was saved any more."""
    folder = copied()
    db = sqlite3.connect(folder / "history.db", isolation_level=None)
    db.execute("UPDATE pieces SET tokens = 'no json'")
    db.close()
    store = used(folder)
    assert store.trouble is None and store.news() == []
    (hit,) = store.search("half a re")
    chat = store.load(hit.id)
    assert chat is not None and "half a re" in [message.text for message in chat.messages.values()]
    store.close()


def test_text_survives_damage_to_what_is_known_of_it(copied: Any) -> None:
    folder = copied()
    db = sqlite3.connect(folder / "history.db", isolation_level=None)
    db.execute("UPDATE messages SET facts = '[', tokens = '{\"a\": 1}'")
    db.execute("UPDATE chats SET settings = 'x'")
    db.close()
    store = Store(folder)
    summary = store.search("tree")[0]
    chat = store.load(summary.id)
    assert chat is not None and chat.path[-1].text == "In a tree."
    assert chat.path[-1].runs == [("In a tree.", "plain")]
    store.close()


def test_an_emptied_file_whose_log_is_still_there_is_kept(copied: Any) -> None:
    """SQLite deletes the log of an empty database: that was all there was of it."""
    folder = copied()
    log = (folder / "history.db-wal").read_bytes()
    (folder / "history.db").write_bytes(b"")
    store = used(folder)
    assert store.trouble is None
    store.close()
    (kept,) = folder.glob("history.db.damaged-*-wal")
    assert kept.read_bytes() == log


@pytest.mark.parametrize("version", [-3, 0, 1, SCHEMA])
def test_another_program_s_tables_are_left_alone_whatever_their_version(tmp_path: Path, version: int) -> None:
    """One that happened to have our schema's number once had its journal changed."""
    path = tmp_path / "history.db"
    db = sqlite3.connect(path)
    db.executescript(f"CREATE TABLE theirs (x); INSERT INTO theirs VALUES (1); PRAGMA user_version = {version}")
    db.close()
    before = path.read_bytes()
    store = Store(tmp_path)
    turn(store)
    store.flush()
    assert store.news() == [f"This chat is not saved: {path} belongs to another program."]
    store.close()
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


def test_chats_are_read_where_nothing_may_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root may write everywhere, so SQLite says here what it says in a read-only folder."""
    store = Store(tmp_path)
    id = turn(store)
    store.close()
    real = sqlite3.connect

    def refusing(path: Any, **options: Any) -> sqlite3.Connection:
        if "immutable" not in str(path):
            path, options = f"file:{tmp_path}/none/history.db?mode=ro", options | {"uri": True}
        return real(path, **options)

    monkeypatch.setattr(sqlite3, "connect", refusing)
    store = Store(tmp_path)
    assert [chat.id for chat in store.recent()] == [id]
    assert store.trouble is not None and "cannot be opened" in store.trouble
    store.close()
