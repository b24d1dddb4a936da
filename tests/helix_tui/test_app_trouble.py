"""What goes wrong in a chat is a card that says what to do, and the chat goes on."""

from __future__ import annotations

import threading

import pytest
from driving import ask, cards, drive, foot, replies, screen_text, send, told, until
from scripted import SECOND, STORY, ScriptedEngine, loader
from textual.pilot import Pilot

from engine import ModelNotFound, OutOfMemory
from helix_tui.app import HelixApp
from helix_tui.render.card import RETRY
from helix_tui.sources import LiveSource
from helix_tui.widgets.loading import LoadingLine


def test_a_failed_load_is_a_card_and_can_be_tried_again() -> None:
    engine = ScriptedEngine()
    errors: list[Exception] = [ModelNotFound("There is no folder x; check the name.")]

    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        await until(pilot, lambda: cards(app))
        assert cards(app) == [f"No model there\nThere is no folder x; check the name.\n{RETRY}"]
        assert not app.chat.query(LoadingLine)
        await send(pilot, app, "hello")
        assert app.chat.prompt.text == "hello"
        await pilot.press("ctrl+r")
        await until(pilot, lambda: app.chat.ready)
        await pilot.press("enter")
        await until(pilot, lambda: replies(app) and not app.chat.answering)
        assert replies(app)[0].text == STORY

    drive(scenario, source=LiveSource(loader=loader(engine, fail=errors)), ready=False)


def test_a_load_that_fails_gives_back_what_was_asked_meanwhile() -> None:
    gate = threading.Event()
    errors: list[Exception] = [RuntimeError("a [bad] thing")]

    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        await send(pilot, app, "hello")
        gate.set()
        await until(pilot, lambda: cards(app))
        assert "RuntimeError: a [bad] thing" in cards(app)[0]
        assert "helix-chat.log" in cards(app)[0]
        assert app.chat.prompt.text == "hello"

    drive(scenario, source=LiveSource(loader=loader(ScriptedEngine(), wait=gate, fail=errors)), ready=False)


def test_an_engine_error_is_a_card_and_the_next_question_works() -> None:
    engine = ScriptedEngine()

    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        engine.failing = ("ContextTooLong", "The prompt has 9,000 tokens, but it takes 2,048.")
        await ask_failing(pilot, app, "too long")
        assert cards(app) == [
            "The chat no longer fits\nThe prompt has 9,000 tokens, but it takes 2,048.\nctrl+n starts a new chat."
        ]
        reply = await ask(pilot, app, "short")
        assert reply.text == SECOND
        assert list(told(engine, "submit")[-1].messages) == [{"role": "user", "content": "short"}]

    drive(scenario, engine)


async def ask_failing(pilot: Pilot[None], app: HelixApp, text: str) -> None:
    before = len(cards(app))
    await send(pilot, app, text)
    await until(pilot, lambda: len(cards(app)) > before and not app.chat.answering)


@pytest.mark.parametrize("error", [OutOfMemory("Not enough blocks; ask for less."), ValueError("odd [/thing]")])
def test_a_question_that_the_engine_refuses_is_a_card(error: Exception) -> None:
    engine = ScriptedEngine()
    real = engine.submit

    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        engine.submit = lambda request: (_ for _ in ()).throw(error)  # type: ignore[assignment,method-assign]
        await ask_failing(pilot, app, "one")
        assert str(error) in cards(app)[0]
        assert replies(app) == []
        engine.submit = real  # type: ignore[method-assign]
        assert (await ask(pilot, app, "two")).text == STORY

    drive(scenario, engine)


def test_an_exception_in_mid_reply_keeps_the_partial_and_the_engine() -> None:
    engine = ScriptedEngine()

    def breaks(engine: ScriptedEngine) -> None:
        if engine.steps == 3:
            raise RuntimeError("kernel died")

    engine.before_step = breaks

    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        await ask_failing(pilot, app, "one")
        assert "RuntimeError: kernel died" in cards(app)[0]
        assert replies(app)[0].text and STORY.startswith(replies(app)[0].text)
        assert foot(replies(app)[0]) == "broken off"
        assert app.chat.ready
        assert (await ask(pilot, app, "two")).text == SECOND
        assert list(told(engine, "submit")[-1].messages) == [{"role": "user", "content": "two"}]

    drive(scenario, engine)


def test_an_engine_that_stays_broken_is_loaded_again() -> None:
    broken, whole = ScriptedEngine(), ScriptedEngine()
    engines = [broken, whole]

    def breaks(engine: ScriptedEngine) -> None:
        raise RuntimeError("device lost")

    broken.before_step = breaks

    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        await until(pilot, lambda: app.chat.ready)
        await ask_failing(pilot, app, "one")
        assert cards(app)[0].startswith("The engine broke and has to be loaded again\nRuntimeError: device lost")
        assert not app.chat.ready
        await until(pilot, lambda: broken.closed)
        await pilot.press("ctrl+r")
        await until(pilot, lambda: app.chat.ready)
        assert (await ask(pilot, app, "two")).text == STORY

    drive(scenario, source=LiveSource(loader=lambda **_: engines.pop(0)), ready=False)


def test_errors_with_markup_are_harmless() -> None:
    engine = ScriptedEngine(failing=("OutOfMemory", "[/x] \x1b[2J"))

    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        await ask_failing(pilot, app, "one")
        assert "[/x] ␛[2J" in screen_text(app)

    drive(scenario, engine)
