"""Draws the README's pictures from the real app on the bundled pair: `python tests/stubs/picture.py [NAME...]`."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

os.environ.pop("NO_COLOR", None)

import driving
from driving import ask, replies, until
from textual.pilot import Pilot

from helix_tui.app import HelixApp
from helix_tui.screens.race import RaceScreen
from helix_tui.screens.swarm import SwarmScreen
from helix_tui.sources import LiveSource

FOLDER = Path(__file__).resolve().parents[2] / "assets" / "screenshots"
driving.PATIENCE = 300.0  # real models take their time
Act = Callable[[Pilot[None], HelixApp], Awaitable[None]]


async def chat(pilot: Pilot[None], app: HelixApp) -> None:
    """A baseline reply first, so that the ratio is measured; then two speculative turns."""
    app.chat.action_baseline()
    await ask(pilot, app, "Why is the sky blue?")
    app.chat.action_baseline()
    app.chat.action_new_chat()
    await until(pilot, lambda: not replies(app), "for the empty chat")
    await ask(pilot, app, "What is speculative decoding?")
    app.chat.action_origins()
    await ask(pilot, app, "Why is the sky blue?")


async def race(pilot: Pilot[None], app: HelixApp) -> None:
    await ask(pilot, app, "Why is the sky blue?")
    await pilot.press("f5")
    await until(pilot, lambda: isinstance(app.screen, RaceScreen), "for the race")
    screen = app.screen
    assert isinstance(screen, RaceScreen)
    await until(pilot, lambda: screen.measured, "for both lanes")
    await pilot.press("enter")


async def kv_map(pilot: Pilot[None], app: HelixApp) -> None:
    await ask(pilot, app, "What is speculative decoding?")
    await ask(pilot, app, "Why is the sky blue?")
    app.chat.action_map()


async def swarm(pilot: Pilot[None], app: HelixApp) -> None:
    await pilot.press("f6")
    await until(pilot, lambda: isinstance(app.screen, SwarmScreen), "for the swarm")
    screen = app.screen
    assert isinstance(screen, SwarmScreen)
    await until(pilot, lambda: all(len(member.pieces) > 20 for member in screen.swarm.members), "for some text")


SCENES: dict[str, Act] = {"chat": chat, "race": race, "kv-map": kv_map, "swarm": swarm}


async def draw(name: str) -> Path:
    """One picture; the model is loaded for each, so that none shows what another left."""
    app = HelixApp(LiveSource(device="cpu"), depth=4)
    async with app.run_test(size=(150, 42)) as pilot:
        await until(pilot, lambda: app.chat.ready or app.chat.failed, "for the model")
        assert app.chat.ready
        await SCENES[name](pilot, app)
        await pilot.pause(0.5)
        file = FOLDER / f"{name}.svg"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(app.export_screenshot(title="helix-chat"), encoding="utf-8")
        await app.action_quit()
        await until(pilot, lambda: not app.source.alive, "for the worker")
    return file


if __name__ == "__main__":
    for wanted in sys.argv[1:] or SCENES:
        print(asyncio.run(draw(wanted)))
