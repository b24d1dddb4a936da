"""Opening the database file, and what to say when that does not work."""

from __future__ import annotations

import contextlib
import logging
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from .schema import SCHEMA, migrate, spaced, version

APPLICATION = 0x48454C58
"""`HELX`, in the file's header: tells our database from another program's."""
PATIENCE = 1.0
"""Seconds to wait for another process that is writing."""
PASSING = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR})
DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
SAID = {
    sqlite3.SQLITE_BUSY: "another program holds {}",
    sqlite3.SQLITE_LOCKED: "another program holds {}",
    sqlite3.SQLITE_FULL: "there is no room left for {}",
    sqlite3.SQLITE_READONLY: "{} cannot be written to",
    sqlite3.SQLITE_CANTOPEN: "{} cannot be opened",
    sqlite3.SQLITE_PERM: "{} cannot be opened",
    sqlite3.SQLITE_CORRUPT: "{} is damaged",
    sqlite3.SQLITE_NOTADB: "{} is damaged",
}

log = logging.getLogger(__name__)


class StoreError(Exception):
    """Why the history cannot be used, as a part of a sentence. `passing`: it may work again later."""

    def __init__(self, message: str, *, passing: bool = False) -> None:
        super().__init__(message)
        self.passing = passing


def code(error: sqlite3.Error) -> int:
    """SQLite's primary result code, 0 where there is none."""
    return (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF


def explained(error: sqlite3.Error, path: Path) -> StoreError:
    """What SQLite said, for a person."""
    words = SAID.get(code(error), f"{{}} failed ({error})")
    return StoreError(words.format(path), passing=code(error) in PASSING)


def connect(path: Path) -> sqlite3.Connection:
    """A connection that knows our functions; nothing is read yet."""
    return _ready(sqlite3.connect(path, timeout=PATIENCE, isolation_level=None))


def connect_to_read(path: Path) -> sqlite3.Connection:
    """The same, also where nothing may be written, not even what SQLite puts beside a database to share it."""
    with contextlib.ExitStack() as stack:
        try:
            db = stack.enter_context(contextlib.closing(connect(path)))
            version(db)
        except sqlite3.OperationalError as error:
            if code(error) not in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY) or _has_log(path):
                raise
        else:
            stack.pop_all()
            return db
    # What nobody may write to does not change under us.
    uri = f"{path.absolute().as_uri()}?immutable=1"
    return _ready(sqlite3.connect(uri, uri=True, timeout=PATIENCE, isolation_level=None))


def _ready(db: sqlite3.Connection) -> sqlite3.Connection:
    db.create_function("spaced", 1, spaced, deterministic=True)
    # A damaged character must not make the whole chat unreadable.
    db.text_factory = lambda data: data.decode("utf-8", "replace")
    return db


def open_database(path: Path, tell: Callable[[str], object]) -> sqlite3.Connection:
    """The database, made or brought up to date where needed.

    One that is damaged is moved aside, never deleted, and a new one begun. Raises StoreError for anything else.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        before = _identity(path)
        _keep_log(path)
        try:
            return _opened(path)
        except sqlite3.DatabaseError as error:
            if code(error) not in DAMAGED:
                raise
            log.warning("%s is damaged: %s", path, error)
        # Unless another process has put a new one there meanwhile.
        if _identity(path) == before:
            aside = _move_aside(path)
            tell(f"The chat history was damaged: it is kept as {aside}, and a new one begins.")
        return _opened(path)
    except sqlite3.Error as error:
        raise explained(error, path) from error
    except OSError as error:
        raise StoreError(f"{path} cannot be used ({error.strerror})") from error


def _opened(path: Path) -> sqlite3.Connection:
    db = connect(path)
    try:
        # In this order: another process may be making the tables just now.
        tables = db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        found = version(db)
        if found > SCHEMA:
            raise StoreError(f"{path} was written by a newer Helix (schema {found}; this one knows {SCHEMA})")
        if tables and (found < 1 or db.execute("PRAGMA application_id").fetchone()[0] != APPLICATION):
            raise StoreError(f"{path} belongs to another program")
        if (said := db.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
            error = sqlite3.DatabaseError(said)
            error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
            raise error
        db.execute("PRAGMA journal_mode = WAL")
        # A power cut must not take back what was committed: every commit reaches the disk, on macOS too.
        db.execute("PRAGMA synchronous = FULL")
        db.execute("PRAGMA fullfsync = ON")
        db.execute("PRAGMA secure_delete = ON")
        if not found:
            db.execute(f"PRAGMA application_id = {APPLICATION}")
        migrate(db)
    except BaseException:
        db.close()
        raise
    return db


def _identity(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def _keep_log(path: Path) -> None:
    """Of a file that was emptied, what SQLite still has beside it is all there is; opening it would delete that."""
    if path.is_file() and not path.stat().st_size and _has_log(path):
        _move_aside(path)


def _has_log(path: Path) -> bool:
    """Whether there is something that SQLite has not yet put into the database itself."""
    log = Path(f"{path}-wal")
    return log.exists() and log.stat().st_size > 0


def _move_aside(path: Path) -> Path:
    """Out of the way, with what SQLite keeps beside it, under a name that says when."""
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    number = 0
    while (aside := path.with_name(f"{path.name}.damaged-{stamp}{f'-{number}' if number else ''}")).exists():
        number += 1
    path.replace(aside)
    for end in ("-wal", "-shm"):
        with contextlib.suppress(FileNotFoundError):
            Path(f"{path}{end}").replace(f"{aside}{end}")
    return aside
