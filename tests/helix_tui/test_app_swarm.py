"""The swarm screen over a scripted engine: all at once, more and fewer, stopped together."""

from __future__ import annotations

import threading

import pytest
from driving import ask, cards, drive, screen_text, send, told, until
from scripted import SECOND, STORY, ScriptedEngine
from textual.pilot import Pilot

from helix_tui.app import HelixApp
from helix_tui.screens.swarm import SwarmScreen


def swarming(app: HelixApp) -> SwarmScreen:
    assert isinstance(app.screen, SwarmScreen)
    return app.screen


def test_eight_at_once_and_the_chat_as_it_was() -> None:
    engine = ScriptedEngine()

    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        await ask(pilot, app, "Tell me a story")
        await pilot.press("f6")
        await until(pilot, lambda: swarming(app).swarm.done)
        swarm = swarming(app).swarm
        assert [m.state for m in swarm.members] == ["done"] * 8 and swarm.most == 8
        assert {r.speculation.depth for r in told(engine, "submit")[1:]} == {4}
        text = screen_text(app)
        assert "8 of 8 done" in text and "8 in one step" in text and "Why is the sky blue?" in text
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is app.chat)
        assert len(app.chat.conversation) == 2
        assert app.chat.figures.pool.blocks == swarm.pool.blocks
        await ask(pilot, app, "And the owl?")

    drive(scenario, engine)


def test_more_and_fewer_ask_anew_and_escape_stops_them_all() -> None:
    engine = ScriptedEngine(replies=["word " * 400], blocks=4096)

    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        gate = engine.gate = threading.Semaphore(0)
        await pilot.press("escape", "s")
        await until(pilot, lambda: len(engine.runs) == 8)
        await pilot.press("+")
        await until(pilot, lambda: len(engine.runs) == 9)
        for _ in range(10):
            await pilot.press("-")
        await until(pilot, lambda: len(engine.runs) == 2 and not any(run.cancelled for run in engine.runs))
        assert "2 questions at once" in screen_text(app)
        gate.release(3)
        await until(pilot, lambda: swarming(app).swarm.tokens > 2)
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is app.chat and not engine.runs)

    drive(scenario, engine)


def test_a_full_pool_is_seen_and_nobody_is_lost() -> None:
    engine = ScriptedEngine(replies=[STORY, SECOND], blocks=30)
    gate = engine.gate = threading.Semaphore(0)

    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        await pilot.press("f6")
        await until(pilot, lambda: engine.steps)
        for _ in range(60):
            steps = engine.steps
            gate.release()
            await until(pilot, lambda steps=steps: engine.steps > steps)
            if any(run.started and not run.table for run in engine.runs):  # the next step waits at the gate
                break
        await until(pilot, lambda: swarming(app).swarm.preemptions and "the pool is full" in screen_text(app))
        engine.gate = None
        gate.release()
        await until(pilot, lambda: swarming(app).swarm.done)
        assert "preemption" in screen_text(app)
        assert {m.state for m in swarming(app).swarm.members} == {"done"}

    drive(scenario, engine)


def test_trouble_stays_in_the_lanes() -> None:
    engine = ScriptedEngine()
    engine.failing = ("OutOfMemory", "The device is out of memory.")

    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        await pilot.press("f6")
        await until(pilot, lambda: swarming(app).swarm.done)
        assert [m.state for m in swarming(app).swarm.members].count("failed") == 1
        assert "The device is out of memory." in screen_text(app)
        await pilot.press("r")
        await until(pilot, lambda: swarming(app).swarm.done)
        assert {m.state for m in swarming(app).swarm.members} == {"done"}
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is app.chat)
        assert cards(app) == []

    drive(scenario, engine)


def test_not_while_a_reply_runs() -> None:
    engine = ScriptedEngine()

    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        engine.gate = threading.Semaphore(2)
        await send(pilot, app, "Tell me a story")
        await pilot.press("f6")
        assert app.screen is app.chat
        engine.gate = None

    drive(scenario, engine)


@pytest.mark.parametrize("size", [(160, 45), (100, 30), (80, 24), (60, 20), (40, 12), (20, 5), (5, 2)])
def test_it_fits_every_terminal(size: tuple[int, int]) -> None:
    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        await pilot.press("f6")
        await until(pilot, lambda: swarming(app).swarm.done)

    drive(scenario, ScriptedEngine(), size=size)
