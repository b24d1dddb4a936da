"""The recording that ships with Helix: something to show where no model can run."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from .replay import ReplaySource

NAME = "the demo"
SPEED = 0.25
"""Its pair writes faster than anyone reads."""


def demo_source(speed: float = SPEED, *, loop: bool = False) -> ReplaySource:
    """A source that plays it. Raises BadRecording where this installation lacks it."""
    file = resources.files("helix_assets") / "demo.jsonl.gz"
    return ReplaySource(Path(str(file)), speed, name=NAME, loop=loop)
