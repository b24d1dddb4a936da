"""The keys of the depth: for the next request, in mid reply, in their range, and without a draft."""

from __future__ import annotations

import pytest
from driving import app_over, ask, drive, leave_prompt, screen_text, send, told, until
from scripted import ScriptedEngine, slow
from textual.pilot import Pilot

from helix_tui.app import HelixApp


@pytest.mark.parametrize(
    ("key", "focus", "depth"),
    [
        ("left_square_bracket", "transcript", 3),
        ("right_square_bracket", "transcript", 5),
        ("ctrl+down", "prompt", 3),
        ("ctrl+up", "prompt", 5),
        ("b", "transcript", 0),
        ("0", "transcript", 0),
        ("ctrl+b", "prompt", 0),
        ("a", "transcript", "auto"),
        ("ctrl+t", "prompt", "auto"),
    ],
)
def test_depth_keys_reach_the_next_request(key: str, focus: str, depth: int | str) -> None:
    engine = ScriptedEngine()
    if depth == "auto":
        engine.before_step = lambda engine: setattr(engine.runs[0], "depth", 2)

    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        if focus == "transcript":
            await leave_prompt(pilot, app)
        await pilot.press(key)
        assert app.chat.view.depth == depth
        assert app.chat.prompt.text == ""
        await ask(pilot, app, "hello")

    drive(scenario, engine)
    assert [r.speculation.depth for r in told(engine, "submit")] == [depth]


@pytest.mark.parametrize(("start", "key", "end"), [(0, "ctrl+down", 0), (16, "ctrl+up", 16)])
def test_depth_stays_in_range(start: int, key: str, end: int) -> None:
    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        await pilot.press(key)
        assert app.chat.view.depth == end

    drive(scenario, depth=start)


def test_baseline_remembers_the_depth() -> None:
    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        await pilot.press("ctrl+up", "ctrl+up", "ctrl+b")
        assert app.chat.view.depth == 0
        assert "baseline" in screen_text(app)
        await pilot.press("ctrl+b")
        assert app.chat.view.depth == 6

    drive(scenario)


def test_depth_change_in_mid_reply_reaches_the_engine_at_once() -> None:
    engine, gate = slow()

    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        await send(pilot, app, "hello")
        gate.release()
        await until(pilot, lambda: app.chat.figures.speculating.cycles == 1)
        await pilot.press("ctrl+b")
        assert told(engine, "depth") == [0]
        gate.release()
        await until(pilot, lambda: app.chat.figures.speculating.cycles == 2)
        assert [c.depth for c in app.chat.figures.speculating.rounds] == [4, 0]
        await pilot.press("ctrl+b", "ctrl+up")
        assert told(engine, "depth") == [0, 4, 5]
        await pilot.press("escape")
        await until(pilot, lambda: not app.chat.answering)

    drive(scenario, engine)


def test_without_a_draft_the_depth_keys_say_so() -> None:
    engine = ScriptedEngine(draft=False)

    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        assert app.chat.view.depth == 0
        await pilot.press("ctrl+up")
        await pilot.pause()
        assert app.chat.view.depth == 0
        assert ["There is no draft model" in n.message for n in app._notifications] == [True]
        assert "no draft model" in screen_text(app)

    drive(scenario, engine)


def test_a_bad_depth_is_refused() -> None:
    from engine import InvalidRequest

    with pytest.raises(InvalidRequest, match="depth"):
        app_over(depth=99)
