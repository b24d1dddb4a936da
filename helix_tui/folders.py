"""The platform's folders for what a person keeps, also where a person has no home."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import platformdirs

NOWHERE = Path(os.devnull) / "no home folder, set HOME"
"""No folder can be made there, so nothing is kept; what is said about it names the remedy."""


def data() -> Path:
    return _place(lambda: platformdirs.user_data_path("helix-chat", appauthor=False))


def config() -> Path:
    return _place(lambda: platformdirs.user_config_path("helix-chat", appauthor=False))


def log() -> Path:
    return _place(lambda: platformdirs.user_log_path("helix-chat", appauthor=False))


def at_home(path: str) -> Path:
    """The path with `~` as the person's folder, and as it stands where there is no such person."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        return Path(path)


def _place(platform: Callable[[], Path]) -> Path:
    try:
        return platform()
    except RuntimeError:
        # A container's user without HOME and without a line in /etc/passwd.
        return NOWHERE
