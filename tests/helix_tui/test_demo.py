"""The demo: from the command line at once, and over a chat whose model did not come."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from driving import ask, cards, drive, replies, screen_text, until
from scripted import ScriptedEngine, loader
from terminal import Terminal
from textual.pilot import Pilot
from waiting import PATIENCE

from engine import ModelNotFound
from engine.events import Finished
from helix_tui import demo
from helix_tui.app import HelixApp
from helix_tui.cli import main
from helix_tui.commands import HelixCommands
from helix_tui.demo import demo_source
from helix_tui.screens.chat import ChatScreen
from helix_tui.sources import LiveSource

ROOT = Path(__file__).parents[2]


def failing(engine: ScriptedEngine) -> LiveSource:
    """Fails to load once."""
    return LiveSource(loader=loader(engine, fail=[ModelNotFound("There is no folder /models/gone; give another.")]))


async def fail_to_load(pilot: Pilot[None], app: HelixApp) -> None:
    await until(pilot, lambda: cards(app), "for the card")


def top(app: HelixApp) -> ChatScreen:
    assert isinstance(app.screen, ChatScreen)
    return app.screen


@pytest.mark.parametrize("key", ["d", "f4"])
def test_a_failed_load_offers_the_demo_and_one_key_plays_it(key: str) -> None:
    engine = ScriptedEngine()

    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        await fail_to_load(pilot, app)
        assert "d (F4 in the prompt) plays the demo recording" in cards(app)[0]
        await pilot.press(key)
        await until(pilot, lambda: app.screen is not app.chat and top(app).figures.speculating.cycles > 2)
        assert "REPLAY of the demo at 0.25×" in screen_text(app)
        playing = top(app)
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is app.chat)
        await until(pilot, lambda: not playing.source.alive, "for the replay's thread")
        assert len(cards(app)) == 1
        await pilot.press("ctrl+r")
        await until(pilot, lambda: app.chat.ready)
        assert (await ask(pilot, app, "hello")).text

    drive(scenario, source=failing(engine), ready=False)


def test_f4_plays_the_demo_while_something_is_being_written() -> None:
    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        app.chat.prompt.load_text("why d")
        await fail_to_load(pilot, app)
        assert app.chat.prompt.has_focus
        await pilot.press("d")
        assert app.chat.prompt.text.count("d") == 2 and app.screen is app.chat
        await pilot.press("f4")
        await until(pilot, lambda: app.screen is not app.chat)
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is app.chat)
        assert app.chat.prompt.text.count("d") == 2

    drive(scenario, source=failing(ScriptedEngine()), ready=False)


def test_the_demo_is_in_the_palette_and_the_chat_goes_on_beneath() -> None:
    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        await ask(pilot, app, "first")
        named = {str(hit.display) async for hit in HelixCommands(app.screen).discover()}  # type: ignore[union-attr]
        assert "Play the recording that comes with Helix" in named
        before = [reply.text for reply in replies(app)]
        app.chat.action_demo()
        await until(pilot, lambda: app.screen is not app.chat and top(app).figures.speculating.cycles > 2)
        await pilot.press("ctrl+n", "ctrl+b", "x")
        assert top(app).prompt.text == ""
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is app.chat)
        assert [reply.text for reply in replies(app)] == before
        await ask(pilot, app, "second")
        assert len(replies(app)) == 2

    drive(scenario)


def test_a_demo_from_the_command_line_is_not_left_by_escape() -> None:
    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        await until(pilot, lambda: app.chat.figures.speculating.cycles > 2)
        await pilot.press("escape", "d", "f4")
        assert app.screen is app.chat and len(app.screen_stack) == 1
        # In a replay there is no b to press.
        assert "press b" not in screen_text(app)

    drive(scenario, source=demo_source(), ready=False)


def test_an_installation_without_the_recording_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(demo.resources, "files", lambda package: tmp_path)

    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        app.chat.action_demo()
        await until(pilot, lambda: cards(app))
        assert "No demo to play" in cards(app)[0]
        assert app.screen is app.chat

    drive(scenario)


def test_a_demo_plays_in_a_terminal_and_q_ends_it(tmp_path: Path) -> None:
    first = next(event.text for event in demo_source().timeline.events if isinstance(event, Finished))
    command = "import sys; from helix_tui.cli import main; sys.exit(main(['demo', '--speed', '4']))"
    env = {"PYTHONPATH": str(ROOT), "XDG_STATE_HOME": str(tmp_path), "TEXTUAL_ANIMATIONS": "none"}
    with Terminal([sys.executable, "-c", command], (100, 30), env) as terminal:
        screen = terminal.wait_for(lambda screen: all(word in screen for word in first.split()[:3]))
        assert "REPLAY of the demo at 4×" in screen
        terminal.wait_for("end of the recording")
        terminal.send("q")
        assert terminal.wait_exit() == 0
        assert b"\x1b[?1049l" in terminal.output


def test_the_demo_imports_no_model_code() -> None:
    code = """
        import asyncio, sys
        from helix_tui.app import HelixApp
        from helix_tui.cli import terminal

        def run(app):
            async def watch():
                async with app.run_test(size=(100, 30)) as pilot:
                    while app.chat.figures.speculating.cycles < 3:
                        await pilot.pause(0.01)
            asyncio.run(watch())

        terminal.need_terminal = lambda instead: None
        from helix_tui.cli import demo, main
        demo.need_terminal, demo.run = terminal.need_terminal, run
        main(["demo"])
        print([m for m in ("torch", "transformers", "safetensors", "numpy", "huggingface_hub") if m in sys.modules])
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr


@pytest.mark.parametrize("speed", ["0", "-1", "1000"])
def test_a_speed_out_of_range_is_refused(speed: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--speed", speed]) == 1
    assert "must be from 0.01 to 100" in capsys.readouterr().err


def test_a_demo_needs_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo"]) == 1
    assert "needs a terminal" in capsys.readouterr().err
