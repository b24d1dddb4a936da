"""The race screen over a scripted engine: it measures, replays, says what came of it, and leaves the chat alone."""

from __future__ import annotations

import asyncio
import threading

import pytest
from driving import app_over, ask, cards, drive, screen_text, send, told, until
from scripted import STORY, ScriptedEngine, loader
from textual.pilot import Pilot

from engine import ModelNotFound
from helix_tui.app import HelixApp
from helix_tui.screens.race import LaneView, RaceScreen
from helix_tui.sources import LiveSource


def racing(app: HelixApp) -> RaceScreen:
    assert isinstance(app.screen, RaceScreen)
    return app.screen


async def to_the_end(pilot: Pilot[None], app: HelixApp) -> None:
    await until(pilot, lambda: racing(app).measured, "for both runs")
    await pilot.press("enter")
    await until(pilot, lambda: racing(app)._finished)


def figures(app: HelixApp) -> list[object]:
    figures = app.chat.figures
    return [figures.speculating.cycles, figures.speed.speculative, figures.pool.blocks, len(app.chat.conversation)]


def test_a_race_on_the_last_question() -> None:
    engine = ScriptedEngine(replies=[STORY])

    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        await ask(pilot, app, "Tell me a story")
        before = figures(app)
        await pilot.press("f5")
        await until(pilot, lambda: isinstance(app.screen, RaceScreen) and app.screen.measured)
        asked = told(engine, "submit")[1:]
        assert [r.speculation.depth for r in asked] == [4, 0, 4]
        assert all([m["content"] for m in r.messages] == ["Tell me a story"] for r in asked)
        text = screen_text(app)
        assert "replaying both together" in text and "measured one after the other, replayed together" in text
        await to_the_end(pilot, app)
        text = screen_text(app)
        assert "identical output: all 90 tokens are the same" in text
        assert "speculation won: " in text and "2nd · 90 of 90" in text
        assert app.chat.race is racing(app).race
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is app.chat)
        assert figures(app) == before
        await ask(pilot, app, "And the owl?")

    drive(scenario, engine, depth=4)


def test_with_no_question_yet_it_is_the_first_starter() -> None:
    engine = ScriptedEngine(replies=[STORY])

    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        await pilot.press("escape", "r")
        await until(pilot, lambda: isinstance(app.screen, RaceScreen) and app.screen.measured)
        assert told(engine, "submit")[0].messages[-1]["content"] == "What is speculative decoding?"

    drive(scenario, engine)


def test_a_loss_is_said() -> None:
    engine = ScriptedEngine(replies=[STORY], pattern=(0, 1))

    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        await pilot.press("f5")
        await to_the_end(pilot, app)
        assert "speculation lost here: 0." in screen_text(app)
        assert "the draft was right only 1" in screen_text(app)

    drive(scenario, engine)


def test_measuring_again_turns_the_order_and_keeps_both() -> None:
    engine = ScriptedEngine(replies=[STORY])

    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        await pilot.press("f5")
        await to_the_end(pilot, app)
        await pilot.press("r")
        await until(pilot, lambda: len(racing(app).race.rounds) == 2)
        await to_the_end(pilot, app)
        assert [r.speculation.depth for r in told(engine, "submit")] == [4, 0, 4, 4, 4, 0]
        assert "speculative first" in screen_text(app) and "middle of 2, in both orders" in screen_text(app)

    drive(scenario, engine)


def test_the_measurement_shows_how_far_it_is_and_escape_ends_it_at_once() -> None:
    engine = ScriptedEngine(replies=[STORY])

    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        gate = engine.gate = threading.Semaphore(2 + 5)
        await pilot.press("f5")
        await until(pilot, lambda: racing(app).race.step == "baseline" and len(racing(app).race.lane.tokens) == 5)
        assert "measuring baseline … 5 tokens" in screen_text(app)
        assert not racing(app).check_action("again", ())
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is app.chat and not engine.runs)
        assert app.chat.race is None
        gate.release(10_000)
        await ask(pilot, app, "Tell me a story")

    drive(scenario, engine)


def test_a_replay_can_be_seen_again() -> None:
    now = [100.0]
    app = app_over(ScriptedEngine(replies=[STORY]))
    app.chat.clock = lambda: now[0]

    async def run() -> None:
        async with app.run_test(size=(160, 45)) as pilot:
            await until(pilot, lambda: app.chat.ready)
            await pilot.press("f5")
            await until(pilot, lambda: racing(app).measured)
            base, fast = racing(app).query(LaneView)
            assert (base.shown, fast.shown) == (1, 5)
            now[0] += 3
            await until(pilot, lambda: base.shown > 20)
            assert base.shown < fast.shown < 90
            now[0] += 300
            await until(pilot, lambda: racing(app)._finished)
            await pilot.press("space")
            await until(pilot, lambda: base.shown == 1)
            assert "Once" in screen_text(app) and "chimney" not in screen_text(app)

    asyncio.run(run())


def test_trouble_is_shown_and_it_can_be_tried_again() -> None:
    engine = ScriptedEngine(replies=[STORY])
    engine.failing = ("OutOfMemory", "The device is out of memory; shorten the chat.")

    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        await pilot.press("f5")
        await until(pilot, lambda: racing(app).trouble is not None)
        assert "The device is out of memory" in screen_text(app)
        await pilot.press("r")
        await to_the_end(pilot, app)
        assert "identical output" in screen_text(app)

    drive(scenario, engine)


def test_an_engine_that_breaks_for_good_leads_back_to_the_chat() -> None:
    def broken(engine: ScriptedEngine) -> None:
        raise RuntimeError("broken")

    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        await pilot.press("f5")
        await until(pilot, lambda: app.chat.failed and app.screen is app.chat)
        assert "ctrl+r tries again" in cards(app)[0]

    drive(scenario, ScriptedEngine(before_step=broken))


def test_with_reduced_motion_the_result_is_there_at_once_and_can_still_be_replayed() -> None:
    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        app.chat.calm = True
        await pilot.press("f5")
        await until(pilot, lambda: racing(app)._finished)
        assert "identical output" in screen_text(app)
        await pilot.press("space")
        await until(pilot, lambda: racing(app).replaying)

    drive(scenario, ScriptedEngine(replies=[STORY]))


def test_it_shows_the_load_and_a_load_that_fails_leads_to_the_card() -> None:
    gate = threading.Event()
    load = loader(ScriptedEngine(), wait=gate, fail=[ModelNotFound("There is no folder x.")])

    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        await until(pilot, lambda: isinstance(app.screen, RaceScreen) and "target weights" in screen_text(app))
        gate.set()
        await until(pilot, lambda: app.screen is app.chat and cards(app))
        assert "There is no folder x." in cards(app)[0]

    drive(scenario, source=LiveSource(loader=load), ready=False, race=({"role": "user", "content": "why?"},))


def test_nothing_is_raced_while_a_reply_runs_or_without_a_draft() -> None:
    async def busy(pilot: Pilot[None], app: HelixApp) -> None:
        engine.gate = threading.Semaphore(2)
        await send(pilot, app, "Tell me a story")
        await until(pilot, lambda: app.chat.answering)
        await pilot.press("f5")
        assert app.screen is app.chat
        engine.gate = None

    async def alone(pilot: Pilot[None], app: HelixApp) -> None:
        await pilot.press("f5")
        assert app.screen is app.chat

    engine = ScriptedEngine(replies=[STORY])
    drive(busy, engine)
    drive(alone, ScriptedEngine(draft=False))


@pytest.mark.parametrize("draft", [True, False])
def test_opened_from_the_command_line_it_waits_for_the_model(draft: bool) -> None:
    engine = ScriptedEngine(replies=[STORY], draft=draft)

    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        if draft:
            await to_the_end(pilot, app)
            assert told(engine, "submit")[0].messages[-1]["content"] == "why?"
        else:
            await until(pilot, lambda: racing(app).trouble is not None)
            assert "There is no draft model" in screen_text(app)

    drive(scenario, engine, race=({"role": "user", "content": "why?"},))


@pytest.mark.parametrize("size", [(160, 45), (100, 30), (80, 24), (60, 20), (40, 12), (20, 5), (5, 2)])
def test_it_fits_every_terminal(size: tuple[int, int]) -> None:
    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        await to_the_end(pilot, app)
        assert all(len(line) <= size[0] for line in screen_text(app).splitlines())

    drive(scenario, ScriptedEngine(replies=[STORY]), size=size, race=({"role": "user", "content": "why?"},))
