"""Pictures of the lesson beside the panels it speaks of."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from driving import app_over, ask, until
from textual.pilot import Pilot

from helix_tui.widgets.learn import LearnPanel

Snap = Callable[..., bool]


@pytest.mark.parametrize(
    ("level", "topic", "size"),
    [(1, 0, (160, 45)), (3, 1, (120, 35)), (5, 0, (160, 45)), (1, 1, (80, 24))],
    ids=["child", "student", "engineer", "child-narrow"],
)
def test_learn(snap_compare: Snap, level: int, topic: int, size: tuple[int, int]) -> None:
    app = app_over()

    async def run(pilot: Pilot[None]) -> None:
        app.chat.prompt.cursor_blink = False
        await until(pilot, lambda: app.chat.ready)
        await ask(pilot, app, "Tell me a story")
        await pilot.press("f7")
        await until(pilot, lambda: app.chat.query_one(LearnPanel).has_focus)
        await pilot.press(str(level), *["tab"] * topic)
        app.chat.mark()
        await pilot.pause(0.2)

    assert snap_compare(app, terminal_size=size, run_before=run)
