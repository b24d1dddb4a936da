"""What goes wrong with a database: the chat goes on, one sentence says so, and no file is lost or written over."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from stored import wrote

from helix_tui.conversation import Conversation
from helix_tui.store import Store, StoreError
from helix_tui.store.database import code, explained
from helix_tui.store.schema import SCHEMA
from helix_tui.store.writer import Writer

ROOT = Path(__file__).parents[2]


def filled(folder: Path, chats: int = 40) -> Path:
    """A database with some chats, closed."""
    store = Store(folder)
    for number in range(chats):
        wrote(store, f"question {number} " + "words " * 50)
    assert store.flush()
    store.close()
    return folder / "history.db"


@pytest.mark.parametrize("damage", ["garbage", "truncated", "first page", "middle"])
def test_a_damaged_file_is_moved_aside_and_a_new_one_begun(tmp_path: Path, damage: str) -> None:
    path = filled(tmp_path)
    data = path.read_bytes()
    data = {
        "garbage": b"this is no database\n" * 500,
        "truncated": data[: len(data) // 2],
        "first page": data[:4096],
        "middle": data[:8192] + b"\xff" * 16384 + data[24576:],
    }[damage]
    path.write_bytes(data)
    store = Store(tmp_path)
    id = wrote(store)
    assert store.flush()
    assert [found.id for found in store.recent()] == [id]
    (aside,) = [p for p in tmp_path.iterdir() if ".damaged-" in p.name and not p.name.endswith(("-wal", "-shm"))]
    assert aside.read_bytes() == data
    (sentence,) = store.news()
    assert sentence == f"The chat history was damaged: it is kept as {aside}, and a new one begins."
    assert store.trouble is None
    store.close()


def test_a_second_damaged_file_does_not_replace_the_first(tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / "history.db").write_bytes(b"no database %d" % number * 100)
        store = Store(tmp_path)
        assert store.flush()
        store.close()
    kept = sorted(p.read_bytes()[:13] for p in tmp_path.glob("history.db.damaged-*"))
    assert kept == [b"no database 0", b"no database 1", b"no database 2"]


def unsaved(folder: Path) -> str:
    """Write into that folder in vain; returns the one sentence."""
    store = Store(folder)
    wrote(store)
    assert not store.flush()
    (sentence,) = store.news()
    assert store.trouble == sentence
    store.append(Conversation().ask("more"), [])
    assert not store.flush() and store.news() == []
    store.close()
    return sentence


def test_a_newer_database_is_left_alone(tmp_path: Path) -> None:
    path = filled(tmp_path)
    db = sqlite3.connect(path)
    db.execute(f"PRAGMA user_version = {SCHEMA + 5}")
    db.execute("ALTER TABLE chats RENAME COLUMN title TO headline")
    db.close()
    before = path.read_bytes()
    assert unsaved(tmp_path) == (
        f"This chat is not saved: {path} was written by a newer Helix (schema {SCHEMA + 5}; this one knows {SCHEMA})."
    )
    assert path.read_bytes() == before
    store = Store(tmp_path)
    with pytest.raises(StoreError, match="newer Helix"):
        store.recent()
    store.close()


def test_another_program_s_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE theirs (x)")
    db.commit()
    db.close()
    before = path.read_bytes()
    assert unsaved(tmp_path).endswith("history.db belongs to another program.")
    assert path.read_bytes() == before


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    assert unsaved(tmp_path / "file" / "data").startswith("This chat is not saved: ")
    assert (tmp_path / "file").read_text() == "in the way"


def test_a_folder_in_the_file_s_place(tmp_path: Path) -> None:
    (tmp_path / "history.db").mkdir()
    assert unsaved(tmp_path).endswith("history.db cannot be opened.")


def test_a_file_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As root every file can be written: SQLite is told to refuse, and says what it says of a read-only file."""
    path = filled(tmp_path)
    before = path.read_bytes()
    real = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda p, **options: real(f"file:{p}?mode=ro", uri=True, **options))
    assert unsaved(tmp_path).endswith("history.db cannot be written to.")
    assert path.read_bytes() == before


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("helix_tui.store.database.PATIENCE", 0.01)
    monkeypatch.setattr("helix_tui.store.writer.RETRY", 0.01)


@pytest.mark.usefixtures("impatient")
def test_a_locked_database_is_written_later(tmp_path: Path) -> None:
    path = filled(tmp_path, 2)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    store = Store(tmp_path)
    id = wrote(store)
    while not (news := store.news()):
        store.flush(0.05)
    assert news == [f"This chat is not saved: another program holds {path}; it will be as soon as that is over."]
    assert len(store.recent()) == 2
    other.execute("COMMIT")
    while store.trouble is not None:
        store.flush(0.05)
    assert store.flush()
    assert store.news() == ["The chat is saved again; nothing of it is missing."]
    assert store.recent()[0].id == id
    store.close()
    other.close()


@pytest.mark.usefixtures("impatient")
def test_a_full_disk_loses_nothing_once_there_is_room(tmp_path: Path) -> None:
    """SQLite's own limit on pages: the same error, from the same place, as a full disk."""
    store = Store(tmp_path)
    assert store.flush() and store._writer is not None

    def room(pages: int) -> None:
        assert store._writer is not None
        store._writer.put(lambda db: db.execute(f"PRAGMA max_page_count = {pages}").fetchone())

    room(1)
    assert store.flush()
    ids = [wrote(store, f"question {n} " + "words " * 2000) for n in range(5)]
    while not (news := store.news()):
        store.flush(0.05)
    assert news == [
        f"This chat is not saved: there is no room left for {store.path}; it will be as soon as that is over."
    ]
    db = store._writer._db
    assert db is not None
    with store._writer._changed:
        store._writer._jobs.insert(0, lambda db: db.execute("PRAGMA max_page_count = 100000").fetchone())
    while store.trouble is not None:
        store.flush(0.05)
    assert store.flush()
    assert {found.id for found in store.recent()} == set(ids)
    store.close()


def test_a_fault_of_our_own_ends_the_history_only(tmp_path: Path) -> None:
    said: list[str] = []
    writer = Writer(tmp_path / "history.db", said.append)
    writer.put(lambda db: 1 / 0)
    assert not writer.flush(5)
    assert said == [f"This chat is not saved: {tmp_path / 'history.db'} failed (division by zero)."]
    writer.put(lambda db: None)
    writer.close(1)


def test_what_sqlite_says_is_said_to_a_person() -> None:
    error = sqlite3.OperationalError("odd")
    assert code(error) == 0
    assert str(explained(error, Path("x.db"))) == "x.db failed (odd)"
    error.sqlite_errorcode = sqlite3.SQLITE_IOERR_WRITE
    assert explained(error, Path("x.db")).passing


STREAM = """
import sys
from pathlib import Path
from engine.events import Emitted
from helix_tui.conversation import Conversation
from helix_tui.store import Store

store = Store(Path(sys.argv[1]))
chat = Conversation()
reply = chat.ask("Count!")
store.save(chat, *chat.path)
print(chat.id, flush=True)
for number in range(1_000_000):
    store.append(reply, [Emitted(number, f"{number} ", "draft")])
    if number % 50 == 49:
        # What is acknowledged is on the disk.
        assert store.flush()
        print(number, flush=True)
"""


def test_kill_in_mid_stream_keeps_what_was_written(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", STREAM, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        id = process.stdout.readline().strip()
        while (acknowledged := int(process.stdout.readline())) < 400:
            pass
        process.send_signal(signal.SIGKILL)
    store = Store(tmp_path)
    chat = store.load(id)
    assert chat is not None
    question, reply = chat.path
    assert question.text == "Count!"
    assert reply.reason is None
    numbers = [int(word) for word in reply.text.split()]
    assert numbers == list(range(len(numbers))) and len(numbers) > acknowledged
    assert [token.text for token in reply.tokens] == [f"{n} " for n in numbers]
    assert [found.id for found in store.search(str(acknowledged))] == [id]
    assert store.news() == []
    store.close()
