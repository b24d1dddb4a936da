"""What a source tells, kept in a list and looked through."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine import Event
from engine.events import Finished
from helix_tui.messages import Note, Trouble


def into(notes: list[Note]) -> Callable[[Note], bool]:
    return lambda note: notes.append(note) is None


def over(notes: list[Note]) -> bool:
    return any(isinstance(note, (Finished, Trouble)) for note in notes)


def of(notes: list[Note], kind: type[Event]) -> list[Any]:
    return [note for note in notes if isinstance(note, kind)]
