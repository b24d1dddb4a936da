"""Shared by the snapshots: nothing of the person's environment."""

from __future__ import annotations

from pathlib import Path

import pytest
from surroundings import nobody


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    nobody(monkeypatch, tmp_path)
