"""Slow motion and the token cursor by their keys, in a live chat and in a replay."""

from __future__ import annotations

from pathlib import Path

import pytest
from driving import ask, drive, replies, screen_text, send, until
from making import cycle, finished, loaded, started
from scripted import ScriptedEngine
from textual.pilot import Pilot

from engine import Recorder
from helix_tui.app import HelixApp
from helix_tui.replay import ReplaySource
from helix_tui.widgets.lens import Lens


def rounds(app: HelixApp) -> int:
    return app.chat.figures.speculating.cycles


async def shows(pilot: Pilot[None], app: HelixApp, words: str) -> None:
    def there() -> bool:
        app.chat.mark()
        return words in screen_text(app)

    await until(pilot, there, f"for {words!r}")


@pytest.mark.parametrize("typing", [False, True])
def test_a_reply_is_held_from_its_first_round_and_done_step_by_step(typing: bool) -> None:
    hold, step, back = ("f10", "f11", "f12") if typing else ("space", "full_stop", "comma")

    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        await pilot.press("f10")
        await shows(pilot, app, "Held before the first round.")
        assert " HELD " in screen_text(app)
        await send(pilot, app, "Tell me a story")
        if not typing:
            app.chat.transcript.focus()
        for number in (1, 2, 3):
            await pilot.press(step)
            await until(pilot, lambda number=number: rounds(app) == number)
        await shows(pilot, app, "Held after round 3")
        assert app.chat.prompt.text == ""
        await pilot.press(back)
        await shows(pilot, app, "Looking back at round 2 of 3")
        await pilot.press(back, back, back)
        await shows(pilot, app, "Looking back at round 1 of 3")
        await pilot.press(step)
        await shows(pilot, app, "Looking back at round 2 of 3")
        await pilot.press(step)
        await shows(pilot, app, "Held after round 3")
        assert rounds(app) == 3, "looking back and forth runs nothing"
        await pilot.press(step)
        await until(pilot, lambda: rounds(app) == 4)
        await pilot.press(hold)
        await until(pilot, lambda: not app.chat.answering)
        assert not app.chat.query_one(Lens).display
        assert " HELD " not in screen_text(app)

    drive(scenario)


def test_escape_stops_a_held_reply_and_keeps_what_is_there() -> None:
    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        await pilot.press("f10")
        await send(pilot, app, "Tell me a story")
        await pilot.press("f11")
        await until(pilot, lambda: rounds(app) == 1)
        await pilot.press("escape")
        await until(pilot, lambda: not app.chat.answering)
        assert replies(app)[-1].text == "Once upon a time, in"

    drive(scenario)


def test_the_rounds_of_a_finished_reply_can_be_looked_back_at() -> None:
    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        await ask(pilot, app, "Tell me a story")
        total = rounds(app)
        await pilot.press("escape", "comma")
        await shows(pilot, app, f"Looking back at round {total} of {total}")
        await pilot.press("comma")
        await shows(pilot, app, f"Looking back at round {total - 1} of {total}")
        await pilot.press("full_stop", "full_stop", "full_stop")
        await shows(pilot, app, f"Looking back at round {total} of {total}")
        assert not app.source.held
        await pilot.press("space")
        assert not app.chat.query_one(Lens).display
        assert not app.source.held, "space only closes what was looked back at"
        await ask(pilot, app, "And the owl?")

    drive(scenario)


def test_quitting_while_held_leaves_no_worker_behind() -> None:
    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        await pilot.press("f10")
        await send(pilot, app, "Tell me a story")
        await pilot.press("ctrl+q")
        await until(pilot, lambda: not app.is_running)

    assert not drive(scenario).source.alive


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """Five rounds, a minute apart."""
    path = tmp_path / "slow.jsonl"
    times = iter([0.0, 0.1, *(60.0 * i for i in range(1, 9))])
    with Recorder(path, lambda: next(times)) as recorder:
        for event in (loaded(), started(rule="token"), *(cycle("ab", "z", 1, index=i) for i in range(5)), finished()):
            recorder.write(event)
    return path


def test_a_replay_goes_on_round_by_round(recording: Path) -> None:
    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        await pilot.press("space")
        for number in (1, 2, 3):
            await pilot.press("full_stop")
            await until(pilot, lambda number=number: rounds(app) == number)
        await shows(pilot, app, "2 drafted, 1 kept; the target said ‘z’ instead of ‘b’.")
        await pilot.press("comma")
        await shows(pilot, app, "Looking back at round 2 of 3")
        await pilot.press("space")
        assert not app.chat.view.held

    drive(scenario, source=ReplaySource(recording), ready=False)


def test_the_cursor_walks_by_token_and_by_line() -> None:
    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        reply = await ask(pilot, app, "Tell me a story")
        await pilot.press("escape", "t")
        await shows(pilot, app, "Token 1 of 90")
        assert "✓ ‘Once’" in screen_text(app) and "temperature 0: kept" in screen_text(app)
        await pilot.press("right", "right", "right", "right")
        await shows(pilot, app, "Token 5 of 90")
        assert "★ ‘in’" in screen_text(app) and "round 1 of 24 · place 5 of 5" in screen_text(app)
        assert marked(reply) == " in"
        await pilot.press("down")
        await until(pilot, lambda: marked(reply) == " Every")
        await pilot.press("up")
        await until(pilot, lambda: marked(reply) == " a")
        await pilot.press("end")
        await shows(pilot, app, "Token 90 of 90")
        await pilot.press("right", "left", "home", "left")
        await shows(pilot, app, "Token 1 of 90")
        await pilot.press("escape")
        assert marked(reply) == ""
        assert app.chat.transcript.has_focus
        assert not app.chat.query_one(Lens).display

    drive(scenario)


def marked(reply: object) -> str:
    """The text under the cursor."""
    lines = reply.body.flow.lines  # type: ignore[attr-defined]
    strips = [reply.body.render_line(y) for y in range(len(lines))]  # type: ignore[attr-defined]
    return "".join(s.text for strip in strips for s in strip if s.style and s.style.reverse)


def test_the_cursor_stands_on_the_chosen_reply_and_leaves_when_the_prompt_is_used() -> None:
    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        first = await ask(pilot, app, "Tell me a story")
        await ask(pilot, app, "And the owl?")
        await pilot.press("escape", "k", "k", "k", "t")
        await until(pilot, lambda: marked(first) == "Once")
        app.chat.prompt.focus()
        await until(pilot, lambda: not app.chat.query_one(Lens).display)
        assert app.chat.prompt.has_focus

    drive(scenario)


def test_a_reply_that_runs_can_be_inspected_and_stopped_after() -> None:
    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        await pilot.press("f10")
        await send(pilot, app, "Tell me a story")
        await pilot.press("f11")
        await until(pilot, lambda: rounds(app) == 1)
        app.chat.transcript.focus()
        await pilot.press("t", "end")
        await shows(pilot, app, "Token 5 of 5")
        await pilot.press("full_stop")
        await until(pilot, lambda: rounds(app) == 2)
        await shows(pilot, app, "Token 5 of 8")
        await pilot.press("escape")
        await shows(pilot, app, "Held after round 2")
        assert app.chat.answering, "the first escape only leaves the cursor"
        await pilot.press("escape")
        await until(pilot, lambda: not app.chat.answering)

    drive(scenario)


def test_the_cursor_goes_with_its_reply() -> None:
    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        await ask(pilot, app, "Tell me a story")
        await pilot.press("escape", "t", "n")
        await until(pilot, lambda: not app.chat.query_one(Lens).display)
        await pilot.press("t", "comma", "full_stop")
        await ask(pilot, app, "again") if not app.source.held else None

    drive(scenario)


def test_a_reply_whose_rounds_were_not_kept_says_so() -> None:
    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        reply = app.chat.transcript.reply(coloured=True)
        reply.extend([("Once", "draft"), (" upon", "correction")])
        await pilot.pause()
        await pilot.press("escape", "t", "right")
        await shows(pilot, app, "Token 2 of 2")
        assert "→ ‘upon’" in screen_text(app) and "rounds were not kept" in screen_text(app)

    drive(scenario)


def test_in_a_replay_the_arrows_are_the_cursors(recording: Path) -> None:
    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        await pilot.press("space", "full_stop")
        await until(pilot, lambda: rounds(app) == 1)
        await pilot.press("t", "right")
        await shows(pilot, app, "rejected here: ‘b’")
        assert "acceptance min(1, p/q) = 1.00" in screen_text(app)
        assert rounds(app) == 1
        await pilot.press("escape")
        await shows(pilot, app, "Held after round 1")

    drive(scenario, source=ReplaySource(recording), ready=False)


@pytest.mark.parametrize("size", [(5, 2), (20, 5), (40, 12), (80, 24), (100, 30), (300, 9)])
def test_no_size_crashes(size: tuple[int, int]) -> None:
    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        await ask(pilot, app, "Tell me a story")
        await pilot.press("escape", "t", "down", "end", "escape", "comma", "comma", "space")

    drive(scenario, ScriptedEngine(), size=size)
