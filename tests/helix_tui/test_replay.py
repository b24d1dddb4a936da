"""A recording plays through the same app, held and restarted by keys, with no model and no torch."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

from driving import drive, foot, questions, replies, screen_text, until
from scripted import STORY
from textual.pilot import Pilot
from waiting import PATIENCE, Clock

from helix_tui.app import HelixApp
from helix_tui.replay import ReplaySource


def test_a_replay_shows_the_chat_and_takes_no_questions(recording: Path) -> None:
    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        await until(pilot, lambda: replies(app) and not app.chat.answering)
        assert replies(app)[0].text == STORY
        assert questions(app) == ["Tell me a story"]
        assert "acceptance" not in foot(replies(app)[0]) and "accepted" in foot(replies(app)[0])
        assert "REPLAY of chat.jsonl" in screen_text(app)
        assert app.chat.view.depth == 3
        await until(pilot, lambda: "end of the recording" in screen_text(app))
        assert app.chat.prompt.disabled
        await pilot.press("h", "i", "ctrl+up", "ctrl+b", "ctrl+n", "escape", "enter")
        assert app.chat.prompt.text == ""
        assert app.chat.view.depth == 3
        assert len(replies(app)) == 1

    drive(scenario, source=ReplaySource(recording, speed=1000), ready=False)


def test_space_holds_a_replay_and_goes_on(halting: Path) -> None:
    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        figures = app.chat.figures
        await until(pilot, lambda: figures.speculating.cycles == 4)
        await pilot.press("space")
        await until(pilot, lambda: "PAUSED of halting.jsonl" in screen_text(app))
        assert figures.speculating.cycles == 4
        await pilot.press("space")
        await until(pilot, lambda: "REPLAY of halting.jsonl" in screen_text(app))
        assert figures.speculating.cycles == 4, "what is due in a minute has come at once"

    drive(scenario, source=ReplaySource(halting), ready=False)


def test_keys_move_a_held_replay_and_the_line_says_where(halting: Path) -> None:
    source = ReplaySource(halting, clock=(clock := Clock()))

    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        figures = app.chat.figures
        await until(pilot, lambda: source.alive)
        clock.now += 0.5
        await until(pilot, lambda: figures.speculating.cycles == 4)
        await pilot.press("space", "shift+right", "minus")
        await until(pilot, lambda: "reply 1 of 1  0.5×" in screen_text(app))
        assert "‖ 0:05 / 1:03" in screen_text(app)
        await pilot.press("right")
        await until(pilot, lambda: figures.speculating.cycles == 7 and not app.chat.answering)
        assert [r.text for r in replies(app)] == ["abz" * 7]
        await pilot.press("left")
        await until(pilot, lambda: figures.speculating.cycles == 0 and app.chat.answering)
        assert [r.text for r in replies(app)] == [""]
        await pilot.press("plus", "home")
        await until(pilot, lambda: source.position == 0 and not source.held)
        clock.now += 0.5
        await until(pilot, lambda: "▶" in screen_text(app) and figures.speculating.cycles == 4)
        assert [r.text for r in replies(app)] == ["abz" * 4]

    drive(scenario, source=source, ready=False)


def test_r_plays_it_again(recording: Path) -> None:
    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        await until(pilot, lambda: "end of the recording" in screen_text(app))
        first = replies(app)[0]
        await pilot.press("r")
        await until(pilot, lambda: first not in replies(app))
        await until(pilot, lambda: "end of the recording" in screen_text(app))
        assert [r.text for r in replies(app)] == [STORY]

    drive(scenario, source=ReplaySource(recording, speed=1000), ready=False)


def test_r_restarts_a_held_replay_in_mid_reply(halting: Path) -> None:
    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        figures = app.chat.figures
        await until(pilot, lambda: figures.speculating.cycles == 4)
        first = replies(app)[0]
        await pilot.press("space", "r")
        await until(pilot, lambda: first not in replies(app) and figures.speculating.cycles == 4)
        assert [r.text for r in replies(app)] == ["abz" * 4]
        assert not app.chat.view.held

    drive(scenario, source=ReplaySource(halting), ready=False)


def test_quitting_a_replay_stops_its_thread(halting: Path) -> None:
    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        await until(pilot, lambda: replies(app))
        await pilot.press("q")
        await until(pilot, lambda: not app.is_running)

    app = drive(scenario, source=ReplaySource(halting), ready=False)
    assert not app.source.alive


def test_replaying_imports_neither_torch_nor_transformers(recording: Path) -> None:
    code = f"""
        import asyncio, sys
        from helix_tui.app import HelixApp
        from helix_tui.sources import LiveSource, ReplaySource

        async def main():
            app = HelixApp(ReplaySource({str(recording)!r}, speed=1000))
            async with app.run_test(size=(100, 30)) as pilot:
                for _ in range(1000):
                    if app.chat.figures.speculating.cycles and not app.chat.answering:
                        break
                    await pilot.pause(0.01)
                assert app.chat.figures.speculating.cycles > 5, "nothing was played"

        asyncio.run(main())
        print([m for m in ("torch", "transformers", "safetensors", "numpy") if m in sys.modules])
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr
