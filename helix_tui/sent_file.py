"""What was sent, kept from one session to the next: the newest few hundred, shared by every process that runs."""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
KEPT = 500
LONGEST = 100_000
"""Characters; a longer message is not kept."""
PATIENCE = 2.0
"""Seconds to wait for another process that writes; then this one is not kept."""


class SentFile:
    """A small database of its own. What goes wrong with it is logged, and costs nothing but the memory."""

    def __init__(self, path: Path, kept: int = KEPT) -> None:
        self._path = path
        self._kept = kept

    def read(self) -> list[str]:
        """The newest ones, the oldest of them first."""
        if not self._path.exists():
            return []
        rows = self._do(
            lambda db: db.execute("SELECT text FROM sent ORDER BY id DESC LIMIT ?", (self._kept,)).fetchall()
        )
        return [text for (text,) in reversed(rows or [])]

    def add(self, text: str) -> None:
        """Keep one more, and forget the oldest."""
        if len(text) > LONGEST:
            return
        # Lone surrogates cannot be stored.
        clean = text.encode("utf-8", "replace").decode("utf-8")

        def write(db: sqlite3.Connection) -> None:
            db.execute("INSERT INTO sent (text) VALUES (?)", (clean,))
            db.execute("DELETE FROM sent WHERE id <= (SELECT max(id) FROM sent) - ?", (self._kept,))

        self._do(write)

    def _do(self, work: Callable[[sqlite3.Connection], T]) -> T | None:
        """One transaction; None when something goes wrong."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            # What a person writes is theirs alone.
            os.close(os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600))
            with contextlib.closing(sqlite3.connect(self._path, timeout=PATIENCE, isolation_level=None)) as db:
                # At once: two that only read first could not both go on to write.
                db.execute("BEGIN IMMEDIATE")
                db.execute("CREATE TABLE IF NOT EXISTS sent (id INTEGER PRIMARY KEY AUTOINCREMENT, text TEXT NOT NULL)")
                done = work(db)
                db.execute("COMMIT")
                return done
        except (OSError, sqlite3.Error) as error:
            logging.getLogger(__name__).warning("%s: %s", self._path, error)
            return None
