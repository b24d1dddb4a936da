"""Pictures of the stage, of a replay and of the offer after a failed load."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from driving import app_over, ask, cards, replies, until
from scripted import ScriptedEngine, loader
from textual.pilot import Pilot

from engine import ModelNotFound, Recorder, Request, Speculation
from helix_tui.app import HelixApp
from helix_tui.replay import ReplaySource
from helix_tui.sources import LiveSource

Snap = Callable[..., bool]


async def quiet(pilot: Pilot[None], app: HelixApp) -> None:
    """Nothing that comes and goes by the clock, and everything drawn."""
    app.clear_notifications()
    await until(pilot, lambda: not app.screen.query("Toast"))
    app.chat.mark()
    await pilot.pause(0.2)


@pytest.mark.parametrize("size", [(160, 45), (100, 30), (80, 24), (60, 20)], ids=lambda s: f"{s[0]}x{s[1]}")
def test_stage(snap_compare: Snap, size: tuple[int, int]) -> None:
    app = app_over()

    async def run(pilot: Pilot[None]) -> None:
        app.chat.prompt.cursor_blink = False
        await until(pilot, lambda: app.chat.ready)
        await pilot.press("f8", "ctrl+b")
        await ask(pilot, app, "Tell me a story")
        await pilot.press("ctrl+b")
        await ask(pilot, app, "And the owl?")
        await pilot.press("ctrl+s")
        await quiet(pilot, app)

    assert snap_compare(app, terminal_size=size, run_before=run)


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """Two replies, the first without speculation; nothing waits for the clock but the second's tenth round."""
    engine, path, now, cycles = ScriptedEngine(), tmp_path / "chat.jsonl", [0.0], [0]
    with Recorder(path, lambda: now[0]) as recorder:
        recorder.write(engine.loaded)
        for depth, question in ((0, "Tell me a story"), (4, "And the owl?")):
            chat = [{"role": "user", "content": question}]
            engine.submit(Request(messages=chat, speculation=Speculation(depth=depth)))
            while engine.busy:
                cycles[0] += depth > 0
                now[0] += 3600.0 if cycles[0] == 10 else 0.01
                for event in engine.step():
                    recorder.write(event)
    return path


@pytest.mark.parametrize("size", [(120, 35), (60, 20)], ids=lambda s: f"{s[0]}x{s[1]}")
def test_replay(snap_compare: Snap, recording: Path, size: tuple[int, int]) -> None:
    clock = [0.0]
    app = app_over(source=ReplaySource(recording, 0.5, clock=lambda: clock[0]))

    async def run(pilot: Pilot[None]) -> None:
        await until(pilot, lambda: app.is_running)
        assert isinstance(app.chat.source, ReplaySource)
        app.chat.source.seek(app.chat.source.timeline.marks[1] + 0.085)
        await until(pilot, lambda: len(replies(app)) == 2 and app.chat.figures.speculating.cycles > 2)
        await quiet(pilot, app)

    assert snap_compare(app, terminal_size=size, run_before=run)


def test_the_offer_after_a_failed_load(snap_compare: Snap) -> None:
    error = ModelNotFound("There is no folder models/large; give a folder with config.json and weights.")
    app = app_over(source=LiveSource(loader=loader(ScriptedEngine(), fail=[error])))

    async def run(pilot: Pilot[None]) -> None:
        await until(pilot, lambda: cards(app))
        await quiet(pilot, app)

    assert snap_compare(app, terminal_size=(100, 30), run_before=run)
