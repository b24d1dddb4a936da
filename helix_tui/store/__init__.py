"""Conversations in SQLite: written while they stream, searched by their words."""

from .database import StoreError
from .place import data_folder
from .reading import Summary
from .store import Store

__all__ = ["Store", "StoreError", "Summary", "data_folder"]
