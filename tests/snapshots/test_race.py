"""Pictures of the race: measuring, running, won, lost, parted, narrow."""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable

import pytest
from driving import app_over, until
from scripted import STORY, ScriptedEngine
from textual.pilot import Pilot

from helix_tui.app import HelixApp
from helix_tui.screens.race import RaceScreen

Snap = Callable[..., bool]
Act = Callable[[Pilot[None], HelixApp, RaceScreen], Awaitable[None]]
QUESTION = ({"role": "user", "content": "Tell me a story about a fox"},)


def taken(snap: Snap, size: tuple[int, int], act: Act, engine: ScriptedEngine) -> bool:
    app = app_over(engine, race=QUESTION)

    async def run(pilot: Pilot[None]) -> None:
        await until(pilot, lambda: isinstance(app.screen, RaceScreen))
        screen = app.screen
        assert isinstance(screen, RaceScreen)
        await act(pilot, app, screen)
        await pilot.pause()

    return snap(app, terminal_size=size, run_before=run)


async def finished(pilot: Pilot[None], app: HelixApp, screen: RaceScreen) -> None:
    await until(pilot, lambda: screen.measured)
    await pilot.press("enter")
    await until(pilot, lambda: screen._finished)


def test_measuring(snap_compare: Snap) -> None:
    async def act(pilot: Pilot[None], app: HelixApp, screen: RaceScreen) -> None:
        await until(pilot, lambda: screen.race.step == "speculative" and len(screen.race.lane.tokens) > 30)

    engine = ScriptedEngine([STORY], gate=threading.Semaphore(2 + 90 + 10))
    assert taken(snap_compare, (160, 45), act, engine)


def test_running(snap_compare: Snap) -> None:
    async def act(pilot: Pilot[None], app: HelixApp, screen: RaceScreen) -> None:
        await until(pilot, lambda: screen.measured)
        app.chat.clock = lambda: 2.0
        screen.tick()

    assert taken(snap_compare, (160, 45), act, ScriptedEngine([STORY]))


@pytest.mark.parametrize("size", [(160, 45), (100, 30), (80, 24), (60, 20), (40, 12)], ids=lambda s: f"{s[0]}x{s[1]}")
def test_won(snap_compare: Snap, size: tuple[int, int]) -> None:
    assert taken(snap_compare, size, finished, ScriptedEngine([STORY]))


def test_lost(snap_compare: Snap) -> None:
    assert taken(snap_compare, (120, 35), finished, ScriptedEngine([STORY], pattern=(0, 1, 0)))


def test_won_in_light(snap_compare: Snap) -> None:
    async def act(pilot: Pilot[None], app: HelixApp, screen: RaceScreen) -> None:
        app.theme = "helix-light"
        await finished(pilot, app, screen)

    assert taken(snap_compare, (120, 35), act, ScriptedEngine([STORY]))
