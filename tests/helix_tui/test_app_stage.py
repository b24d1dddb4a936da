"""On stage: large, without chrome, without anything personal, and back by the same key as if nothing had been."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from driving import ask, drive, questions, replies, screen_text, send, told, until
from scripted import ScriptedEngine, loader
from textual.pilot import Pilot
from textual.widgets import Footer

from engine import ModelNotFound
from helix_tui.app import HelixApp
from helix_tui.demo import demo_source
from helix_tui.screens.actions.stage import PERSONAL
from helix_tui.sources import LiveSource
from helix_tui.stage import THEME
from helix_tui.starters import STARTERS
from helix_tui.widgets.stage import StagePanel

SIZES = [(160, 45), (100, 30), (80, 24), (60, 20)]


def figures_shown(app: HelixApp) -> bool:
    return any(panel.display and panel.region.height >= 4 for panel in app.chat.query(StagePanel))


@pytest.mark.parametrize("size", SIZES, ids=lambda s: f"{s[0]}x{s[1]}")
def test_the_stage_has_large_figures_and_no_chrome(size: tuple[int, int]) -> None:
    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        theme = app.theme
        assert not figures_shown(app)
        await pilot.press("f8")
        await ask(pilot, app, "Tell me a story")
        await until(pilot, lambda: figures_shown(app))
        text = screen_text(app)
        assert "tokens a second" in text and "midnight" in text
        assert "context" not in text and "pocket-target" not in text
        assert not app.chat.query_one(Footer).display
        assert app.theme == THEME
        await pilot.press("f8")
        await until(pilot, lambda: not figures_shown(app))
        assert app.chat.query_one(Footer).display and app.theme == theme
        assert "pocket-target" in screen_text(app)

    drive(scenario, size=size)


def test_what_was_there_before_is_off_the_stage_and_comes_back() -> None:
    engine = ScriptedEngine()

    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        await ask(pilot, app, "my secret plan")
        app.chat.prompt.insert("half a secret")
        assert "secret" in screen_text(app)
        await pilot.press("f8")
        await until(pilot, lambda: figures_shown(app) and not questions(app))
        assert "secret" not in screen_text(app)
        await pilot.press("up")
        assert app.chat.prompt.text == ""
        await ask(pilot, app, "What is a black hole?")
        assert "black hole" in screen_text(app) and "secret" not in screen_text(app)
        assert [m["content"] for m in told(engine, "submit")[-1].messages] == ["What is a black hole?"]
        await pilot.press("up")
        assert app.chat.prompt.text == "What is a black hole?"
        await pilot.press("f8")
        await until(pilot, lambda: not figures_shown(app))
        await until(pilot, lambda: questions(app) == ["my secret plan"])
        assert app.chat.prompt.text == "half a secret"
        app.chat.prompt.clear()
        await pilot.press("up")
        assert app.chat.prompt.text == "my secret plan"

    drive(scenario, engine)


def test_the_reply_that_runs_stays_on_stage() -> None:
    engine = ScriptedEngine()

    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        await ask(pilot, app, "first")
        engine.gate = threading.Semaphore(2)
        await send(pilot, app, "second")
        await until(pilot, lambda: app.chat.figures.speculating.cycles == 2)
        await pilot.press("f8")
        await until(pilot, lambda: figures_shown(app))
        assert [turn.display for turn in app.chat.transcript.turns] == [False, False, True, True]
        engine.gate = None
        await until(pilot, lambda: not app.chat.answering)

    drive(scenario, engine)


def test_a_failed_load_on_stage_offers_the_demo_and_shows_no_path() -> None:
    error = ModelNotFound(f"There is no folder {Path.home()}/models/secret; give another.")

    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        app.staged = True
        await until(pilot, lambda: "No model there" in screen_text(app))
        text = screen_text(app)
        assert "secret" not in text and str(Path.home()) not in text
        assert "plays the demo recording" in text and not app.chat.ready
        await pilot.press("d")
        await until(pilot, lambda: app.screen is not app.chat and "REPLAY" in screen_text(app))
        assert "tokens a second" in screen_text(app)
        await pilot.press("f8")
        await until(pilot, lambda: "REPLAY of the demo" in screen_text(app))
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is app.chat)
        assert "models/secret" in screen_text(app).replace("\n", "")

    source = LiveSource(loader=loader(ScriptedEngine(), fail=[error]))
    drive(scenario, source=source, ready=False)


def test_what_the_app_says_on_stage_has_no_paths(tmp_path: Path) -> None:
    async def told(pilot: Pilot[None], app: HelixApp) -> tuple[str, str]:
        app.clear_notifications()
        app.notify(f"Recorded to {tmp_path}/x.jsonl", title=str(tmp_path))
        await until(pilot, lambda: any("Recorded" in note.message for note in app._notifications))
        (note,) = [note for note in app._notifications if "Recorded" in note.message]
        return note.message, note.title

    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        await pilot.press("f8")
        assert await told(pilot, app) == ("Recorded to …", "…")
        await pilot.press("f8")
        assert await told(pilot, app) == (f"Recorded to {tmp_path}/x.jsonl", str(tmp_path))

    drive(scenario)


def test_a_replay_on_stage_stays_a_replay() -> None:
    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        await until(pilot, lambda: replies(app) and replies(app)[0].text)
        await pilot.press("f8")
        await until(pilot, lambda: figures_shown(app))
        text = screen_text(app)
        assert "REPLAY at 0.25×" in text and "reply 1 of" in text
        assert questions(app)[0] in text

    drive(scenario, source=demo_source(), ready=False)


@pytest.mark.parametrize("key", ["p", "ctrl+s"])
def test_a_key_writes_one_question_after_another(key: str) -> None:
    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        for question in (*STARTERS, STARTERS[0]):
            if key == "p":
                app.chat.transcript.focus()
                await pilot.pause()
            await pilot.press(key)
            assert app.chat.prompt.text == question
        assert app.chat.prompt.has_focus
        await pilot.press("enter")
        await until(pilot, lambda: replies(app) and not app.chat.answering)
        assert questions(app) == [STARTERS[0]]

    drive(scenario)


def test_a_starter_does_not_take_the_place_of_what_was_written() -> None:
    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        await pilot.press(*"mine", "ctrl+s")
        assert app.chat.prompt.text == "mine"
        assert any("send or delete it" in note.message for note in app._notifications)

    drive(scenario)


def test_nothing_on_stage_opens_what_is_personal() -> None:
    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        for action in PERSONAL:
            app.staged = True
            assert app.chat.check_action(action, ()) is False
            app.staged = False
            assert app.chat.check_action(action, ()) is not False
        await pilot.press("f8")
        depth = len(app.screen_stack)
        await pilot.press("f3", "f2")
        assert len(app.screen_stack) == depth

    drive(scenario)


def test_a_reply_that_runs_hides_the_private_chat_from_the_next_question_too() -> None:
    engine = ScriptedEngine()

    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        await ask(pilot, app, "my secret")
        engine.gate = threading.Semaphore(2)
        await send(pilot, app, "another secret")
        await until(pilot, lambda: app.chat.figures.speculating.cycles == 2)
        await pilot.press("f8")
        await until(pilot, lambda: figures_shown(app))
        engine.gate = None
        await until(pilot, lambda: not app.chat.answering)
        await send(pilot, app, "on stage")
        await until(pilot, lambda: questions(app) == ["on stage"] and not app.chat.answering)
        assert [m["content"] for m in told(engine, "submit")[-1].messages] == ["on stage"]
        assert "another secret" not in screen_text(app)
        await pilot.press("f8")
        await until(pilot, lambda: questions(app) == ["my secret", "another secret"])

    drive(scenario, engine)


def test_leaving_in_the_middle_of_a_reply_brings_the_private_chat_back() -> None:
    engine = ScriptedEngine()

    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        await ask(pilot, app, "my secret")
        await pilot.press("f8")
        await until(pilot, lambda: figures_shown(app))
        engine.gate = threading.Semaphore(2)
        await send(pilot, app, "on stage")
        await until(pilot, lambda: app.chat.figures.speculating.cycles == 2)
        await pilot.press("f8")
        await until(pilot, lambda: questions(app) == ["my secret"])
        engine.gate = None
        await until(pilot, lambda: not app.chat.answering)
        await ask(pilot, app, "go on")
        assert questions(app) == ["my secret", "go on"]
        assert [turn.display for turn in app.chat.transcript.turns] == [True] * 4

    drive(scenario, engine)
