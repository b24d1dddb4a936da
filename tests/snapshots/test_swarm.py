"""Pictures of the swarm: mid-way, with a full pool, and narrow."""

from __future__ import annotations

import threading
from collections.abc import Callable

from driving import app_over, until
from scripted import SECOND, STORY, ScriptedEngine
from textual.pilot import Pilot

from helix_tui.screens.swarm import SwarmScreen

Snap = Callable[..., bool]


def taken(snap: Snap, size: tuple[int, int], steps: int, blocks: int = 256, theme: str = "helix-dark") -> bool:
    engine = ScriptedEngine([STORY, SECOND], blocks=blocks, gate=threading.Semaphore(steps))
    app = app_over(engine)

    async def run(pilot: Pilot[None]) -> None:
        app.theme = theme
        await until(pilot, lambda: app.chat.ready)
        await pilot.press("f6")
        await until(pilot, lambda: engine.steps > steps and isinstance(app.screen, SwarmScreen))
        await pilot.pause(0.2)

    return snap(app, terminal_size=size, run_before=run)


def test_mid_way(snap_compare: Snap) -> None:
    assert taken(snap_compare, (160, 45), 14)


def test_a_full_pool(snap_compare: Snap) -> None:
    assert taken(snap_compare, (120, 35), 12, blocks=28)


def test_narrow(snap_compare: Snap) -> None:
    assert taken(snap_compare, (80, 24), 14)


def test_in_light(snap_compare: Snap) -> None:
    assert taken(snap_compare, (120, 35), 14, theme="helix-light")
