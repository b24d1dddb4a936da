"""Draws the README's picture from the real app on the bundled pair: `.venv/bin/python tests/stubs/picture.py`."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

os.environ.pop("NO_COLOR", None)

from driving import ask, replies, until

from helix_tui.app import HelixApp
from helix_tui.sources import LiveSource

FILE = Path(__file__).resolve().parents[2] / "assets" / "screenshots" / "chat.svg"


async def draw(file: Path) -> None:
    """A baseline reply first, so that the ratio is measured; then two speculative turns."""
    app = HelixApp(LiveSource(device="cpu"), depth=4)
    async with app.run_test(size=(150, 42)) as pilot:
        while not app.chat.ready:
            await pilot.pause(0.1)
        app.chat.action_baseline()
        await ask(pilot, app, "Why is the sky blue?")
        app.chat.action_baseline()
        app.chat.action_new_chat()
        await until(pilot, lambda: not replies(app), "for the empty chat")
        await ask(pilot, app, "What is speculative decoding?")
        await ask(pilot, app, "Why is the sky blue?")
        await pilot.pause(0.5)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(app.export_screenshot(title="helix-chat"), encoding="utf-8")
        await app.action_quit()
        await until(pilot, lambda: not app.source.alive, "for the worker")


if __name__ == "__main__":
    asyncio.run(draw(FILE))
    print(FILE)
