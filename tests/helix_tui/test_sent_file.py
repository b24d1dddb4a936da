"""What was sent comes back in the next session, bounded, whatever else writes there."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from helix_tui.sent import History
from helix_tui.sent_file import LONGEST, SentFile

ROOT = Path(__file__).parents[2]


def test_the_next_session_has_it(tmp_path: Path) -> None:
    file = SentFile(tmp_path / "deep" / "sent.db")
    assert file.read() == []
    first = History(file)
    for text in ("one", "two\nlines", "two\nlines", "ü 漢 🙂"):
        first.add(text)
    again = History(SentFile(tmp_path / "deep" / "sent.db"))
    assert [again.older(""), again.older(""), again.older(""), again.older("")] == [
        "ü 漢 🙂",
        "two\nlines",
        "one",
        None,
    ]


def test_only_the_newest_are_kept(tmp_path: Path) -> None:
    file = SentFile(tmp_path / "sent.db", kept=3)
    for n in range(10):
        file.add(str(n))
    assert file.read() == ["7", "8", "9"]
    with sqlite3.connect(tmp_path / "sent.db") as db:
        assert db.execute("SELECT count(*) FROM sent").fetchone() == (3,)


def test_what_cannot_be_kept_costs_nothing(tmp_path: Path) -> None:
    file = SentFile(tmp_path / "sent.db")
    file.add("x" * (LONGEST + 1))
    file.add("lone \ud800 surrogate")
    assert file.read() == ["lone ? surrogate"]
    (tmp_path / "broken.db").write_bytes(b"no database at all" * 100)
    broken = SentFile(tmp_path / "broken.db")
    broken.add("x")
    assert broken.read() == []
    assert (tmp_path / "broken.db").read_bytes().startswith(b"no database"), "somebody else's file stays as it is"
    (tmp_path / "a-file").write_text("")
    nowhere = SentFile(tmp_path / "a-file" / "sent.db")
    nowhere.add("x")
    assert nowhere.read() == []


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX permissions")
def test_nobody_else_can_read_it(tmp_path: Path) -> None:
    SentFile(tmp_path / "sent.db").add("private")
    assert (tmp_path / "sent.db").stat().st_mode & 0o077 == 0


def test_processes_that_write_at_once_lose_nothing(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from helix_tui.sent_file import SentFile\n"
        "file = SentFile(Path(sys.argv[1]))\n"
        "for n in range(20): file.add(f'{sys.argv[2]} {n}')"
    )
    path = str(tmp_path / "sent.db")
    running = [subprocess.Popen([sys.executable, "-c", code, path, name], cwd=ROOT) for name in "ab"]
    assert [process.wait() for process in running] == [0, 0]
    found = SentFile(tmp_path / "sent.db").read()
    assert [[t for t in found if t[0] == name] for name in "ab"] == [[f"{n} {i}" for i in range(20)] for n in "ab"]
