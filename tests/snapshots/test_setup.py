"""The settings of a chat, with changes and the lines that would keep them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from driving import screen_text, until
from scripted import ScriptedEngine
from test_screens import taken
from textual.pilot import Pilot

from helix_tui.app import HelixApp
from helix_tui.screens.setup import SetupScreen

Snap = Callable[..., bool]


def test_setup(snap_compare: Snap) -> None:
    async def act(pilot: Pilot[None], app: HelixApp) -> None:
        app.chat.preferences = replace(app.chat.preferences, path=Path("~/.config/helix-chat/config.toml"))
        await pilot.press("ctrl+y")
        await until(pilot, lambda: isinstance(app.screen, SetupScreen))
        screen = app.screen
        assert isinstance(screen, SetupScreen)
        screen._prompts.value, screen._preset.value = "brief", "balanced"
        screen._depth.value, screen._most.value = "6", "200"
        await until(pilot, lambda: "max_tokens = 200" in screen_text(app) and "preset =" in screen_text(app))

    assert taken(snap_compare, (120, 35), act, ScriptedEngine())
