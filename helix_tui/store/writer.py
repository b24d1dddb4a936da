"""The one thread that writes: jobs in order, those of a quarter of a second in one transaction."""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

from .database import StoreError, explained, open_database

EVERY = 0.25
"""Seconds between two commits while jobs come: with the commit itself, less than half a second is ever at risk."""
RETRY = 2.0
"""Seconds between tries while the disk is full or another process holds the database."""
Job = Callable[[sqlite3.Connection], object]

log = logging.getLogger(__name__)


class Writer:
    """`put` returns at once. A failure that may pass keeps the jobs and tries again; any other ends the writing.

    `tell` is called, on its thread, with one sentence for each thing the person should know.
    """

    def __init__(self, path: Path, tell: Callable[[str], object]) -> None:
        self.path = path
        self.trouble: str | None = None
        """Why nothing is written now."""
        self._tell = tell
        self._jobs: list[Job] = []
        self._changed = threading.Condition()
        self._hurry = self._closing = self._over = False
        self._db: sqlite3.Connection | None = None
        # A daemon: a disk that hangs must not keep the app from leaving.
        self._thread = threading.Thread(target=self._work, name="helix-history", daemon=True)
        self._thread.start()

    def put(self, job: Job) -> None:
        with self._changed:
            if not self._over:
                self._jobs.append(job)
                self._changed.notify_all()

    def flush(self, timeout: float) -> bool:
        """Wait until everything put so far is on the disk; False when it is not by then."""
        with self._changed:
            self._hurry = True
            self._changed.notify_all()
            done = lambda: self._db is not None and not self._jobs  # noqa: E731
            self._changed.wait_for(lambda: self._over or self.trouble is not None or done(), timeout)
            self._hurry = False
            return done() and not self._over

    def close(self, timeout: float) -> None:
        """Write what is left and end; gives up after so many seconds."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join(timeout)

    def _work(self) -> None:
        try:
            while self._round():
                pass
        except Exception as error:
            # Not the chat's problem, whatever it is.
            log.exception("the history stopped")
            self._say(f"{self.path} failed ({error})")
        with self._changed:
            self._over = True
            self._jobs.clear()
            self._changed.notify_all()
        if self._db is not None:
            with contextlib.suppress(sqlite3.Error):
                self._db.close()

    def _round(self) -> bool:
        """Wait for jobs and write them; False when it is time to end."""
        with self._changed:
            self._changed.wait_for(lambda: self._jobs or self._closing or self._db is None)
            jobs = list(self._jobs)
            if self._closing and not jobs:
                return False
        try:
            if self._db is None:
                self._db = open_database(self.path, self._tell)
            self._write(jobs)
        except sqlite3.Error as error:
            return self._failed(explained(error, self.path))
        except StoreError as error:
            return self._failed(error)
        if self.trouble is not None:
            self.trouble = None
            self._tell("The chat is saved again; nothing of it is missing.")
        with self._changed:
            del self._jobs[: len(jobs)]
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._hurry or self._closing, EVERY)
        return True

    def _write(self, jobs: list[Job]) -> None:
        db = self._db
        if db is None or not jobs:
            return
        db.execute("BEGIN IMMEDIATE")
        try:
            for job in jobs:
                job(db)
            db.execute("COMMIT")
        except BaseException:
            # A full disk may have rolled back by itself.
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise

    def _failed(self, error: StoreError) -> bool:
        """Say it once; True when it is worth another try."""
        log.warning("history: %s", error)
        if self.trouble is None:
            self._say(str(error), "; it will be as soon as that is over." if error.passing else ".")
        if not error.passing:
            return False
        with self._changed:
            if self._closing:
                return False
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._closing, RETRY)
        return True

    def _say(self, why: str, end: str = ".") -> None:
        self.trouble = f"This chat is not saved: {why}{end}"
        self._tell(self.trouble)
