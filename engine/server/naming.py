"""What the outside may know of where a model lies."""

from __future__ import annotations

from pathlib import Path


def shown(name: str) -> str:
    """A hub id as it is; of a folder its name, without the path to it."""
    return Path(name).name if Path(name).exists() else name
