"""Nobody's machine: no settings, folders or time zone of the person who runs the tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


def nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("NO_COLOR", "TEXTUAL_THEME", "COLUMNS", "LINES"):
        monkeypatch.delenv(name, raising=False)
    for name in [name for name in os.environ if name.startswith("HELIX_") and name != "HELIX_CACHE"]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HELIX_DATA", str(tmp_path / "chats"))
    monkeypatch.setenv("TZ", "UTC")
    for kind in ("STATE", "DATA", "CONFIG"):
        monkeypatch.setenv(f"XDG_{kind}_HOME", str(tmp_path / kind.lower()))
    monkeypatch.setenv("TEXTUAL_ANIMATIONS", "none")
