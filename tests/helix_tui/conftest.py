"""Shared by the app's tests: the stubs on the path, and nothing of the person's environment."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "stubs"))


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("NO_COLOR", "TEXTUAL_THEME", "COLUMNS", "LINES"):
        monkeypatch.delenv(name, raising=False)
    for name in [name for name in os.environ if name.startswith("HELIX_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HELIX_DATA", str(tmp_path / "chats"))
    monkeypatch.setenv("TZ", "UTC")
    for kind in ("STATE", "DATA", "CONFIG"):
        monkeypatch.setenv(f"XDG_{kind}_HOME", str(tmp_path / kind.lower()))
    monkeypatch.setenv("TEXTUAL_ANIMATIONS", "none")
