"""Pictures of watching speculation: the cursor on a token, and a round in slow motion."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from driving import ask, send, until
from test_screens import taken
from textual.pilot import Pilot

from helix_tui.app import HelixApp

Snap = Callable[..., bool]
SIZES = pytest.mark.parametrize("size", [(160, 45), (100, 30), (80, 24), (40, 12)], ids=lambda s: f"{s[0]}x{s[1]}")


@SIZES
def test_a_token(snap_compare: Snap, size: tuple[int, int]) -> None:
    async def act(pilot: Pilot[None], app: HelixApp) -> None:
        await ask(pilot, app, "Tell me a story")
        await pilot.press("escape", "t", *["right"] * 8)

    assert taken(snap_compare, size, act)


async def held(pilot: Pilot[None], app: HelixApp, rounds: int) -> None:
    await pilot.press("f10")
    await send(pilot, app, "Tell me a story")
    for number in range(1, rounds + 1):
        await pilot.press("f11")
        await until(pilot, lambda number=number: app.chat.figures.speculating.cycles == number)


@SIZES
def test_a_round_that_is_held(snap_compare: Snap, size: tuple[int, int]) -> None:
    async def act(pilot: Pilot[None], app: HelixApp) -> None:
        await held(pilot, app, 3)

    assert taken(snap_compare, size, act)


def test_looking_back(snap_compare: Snap) -> None:
    async def act(pilot: Pilot[None], app: HelixApp) -> None:
        await held(pilot, app, 6)
        await pilot.press("f12", "f12")

    assert taken(snap_compare, (120, 35), act, depth=8)
