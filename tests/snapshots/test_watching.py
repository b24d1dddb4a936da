"""Pictures of watching speculation: the cursor on a token, and a round in slow motion."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from driving import ask, send, until
from test_screens import taken
from textual.pilot import Pilot

from engine.events import Blocks, Cycle, Started
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


@pytest.mark.parametrize("size", [(160, 45), (80, 24), (40, 12)], ids=lambda s: f"{s[0]}x{s[1]}")
def test_the_map(snap_compare: Snap, size: tuple[int, int]) -> None:
    """A second turn: blocks that are reused, and one in flight."""

    async def act(pilot: Pilot[None], app: HelixApp) -> None:
        await ask(pilot, app, "Tell me a story")
        await held(pilot, app, 8)
        app.chat.transcript.focus()
        await pilot.press("m", *["right"] * 6)
        await pilot.pause(0.2)

    assert taken(snap_compare, size, act)


def test_the_map_of_several(snap_compare: Snap) -> None:
    async def act(pilot: Pilot[None], app: HelixApp) -> None:
        figures, pools = app.chat.figures, [((2, 5),), ((2, 3), (12, 4)), ((2, 3), (20, 6)), ((40, 9),)]
        for request, table in enumerate(pools, 1):
            blocks = Blocks(table, 16 * sum(n for _, n in table) - 5, 3 if len(table) > 1 else 0, ((60, 7),), 200, 256)
            figures.feed(Started(request, 50, 0, 4, blocks, "?"))
            flying = ((table[-1][0] + 9, 1),)
            figures.feed(Cycle(request, 0, 4, (), 0, (), 0.0, 0.0, 0.01, blocks, 0, in_flight=flying))
        await pilot.press("escape", "m")

    assert taken(snap_compare, (120, 35), act)
