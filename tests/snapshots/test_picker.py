"""The model picker, with a pair that is here and one that has to be fetched."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from driving import screen_text, until
from scripted import ScriptedEngine
from test_screens import taken
from textual.pilot import Pilot

import engine
from engine import Estimate
from helix_tui import models, picking
from helix_tui.app import HelixApp
from helix_tui.models import Pair

Snap = Callable[..., bool]
HERE = {"bundled", "auto", "none", "/models/story"}


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    def estimate(target: Any, draft: Any, **load: Any) -> Estimate:
        download = 0 if target in HERE else 3_400_000_000
        return Estimate(26_000_000 + download, 24_000_000, 6_000_000, 9_000_000_000, download, "bfloat16", "cpu")

    monkeypatch.setattr(engine, "estimate", estimate, raising=False)
    monkeypatch.setattr(engine, "pick_device", lambda spec: type("D", (), {"free": 9_000_000_000})(), raising=False)
    monkeypatch.setattr(picking, "local", lambda name: name in HERE)
    monkeypatch.setattr(models, "in_folders", lambda folders: [Pair("/models/story")])
    monkeypatch.setattr(models, "in_cache", lambda: [Pair("HuggingFaceTB/SmolLM2-360M-Instruct")])


async def chosen(pilot: Pilot[None], app: HelixApp, downs: int, words: str) -> None:
    await pilot.press("f3")
    await until(pilot, lambda: "to download" in screen_text(app))
    await pilot.press(*["down"] * downs)
    await until(pilot, lambda: words in screen_text(app))


def test_picker(snap_compare: Snap) -> None:
    async def act(pilot: Pilot[None], app: HelixApp) -> None:
        await chosen(pilot, app, 1, "Needs about 53 MB")

    assert taken(snap_compare, (120, 35), act, ScriptedEngine())


def test_picker_small(snap_compare: Snap) -> None:
    async def act(pilot: Pilot[None], app: HelixApp) -> None:
        await chosen(pilot, app, 3, "to download.")

    assert taken(snap_compare, (60, 26), act, ScriptedEngine())
