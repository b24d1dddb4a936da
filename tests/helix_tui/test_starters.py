"""Questions to begin with: on the first screen, by number, and in the palette."""

from __future__ import annotations

import pytest
from driving import drive, questions, replies, screen_text, until
from scripted import ScriptedEngine
from textual.pilot import Pilot

from helix_tui.app import HelixApp
from helix_tui.commands import HelixCommands
from helix_tui.render.welcome import HINT, welcome
from helix_tui.starters import NUMBERED, STARTERS


def test_there_are_ten_and_no_two_the_same() -> None:
    assert len(STARTERS) == len(set(STARTERS)) == 10
    assert STARTERS[:9] == NUMBERED


@pytest.mark.parametrize("size", [(110, 20), (76, 21), (60, 21), (40, 8), (20, 4), (5, 1)])
def test_the_first_screen_fits_and_shows_all_or_none(size: tuple[int, int]) -> None:
    drawn = welcome(*size, 0.0, starters=NUMBERED)
    assert len(drawn.split("\n")) <= size[1] and all(line.cell_length <= size[0] for line in drawn.split("\n"))
    shown = [question for question in NUMBERED if question in drawn.plain]
    assert shown == (list(NUMBERED) if size[0] >= 60 else [])
    assert (HINT in drawn.plain) == bool(shown)


def test_two_columns_stand_straight() -> None:
    lines = [line.plain for line in welcome(110, 20, 0.0, starters=NUMBERED).split("\n")]
    firsts = [line.index(str(n)) for n, line in zip(range(1, 6), lines[-5:], strict=True)]
    seconds = [line.index(str(n)) for n, line in zip(range(6, 10), lines[-5:], strict=False)]
    assert len(set(firsts)) == len(set(seconds)) == 1 and firsts[0] < seconds[0]


def test_a_recording_offers_none() -> None:
    assert STARTERS[0] not in welcome(110, 20, 0.0, starters=NUMBERED, replay=True).plain


def test_a_number_asks_and_only_on_the_empty_first_screen() -> None:
    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        assert STARTERS[1] in screen_text(app)
        await pilot.press("2")
        assert app.chat.prompt.text == "2"
        app.chat.prompt.clear()
        await pilot.press("escape", "2")
        await until(pilot, lambda: replies(app) and not app.chat.answering)
        assert questions(app) == [STARTERS[1]]
        await pilot.press("3")
        await pilot.pause()
        assert questions(app) == [STARTERS[1]]

    drive(scenario, ScriptedEngine())


def test_the_palette_asks_too() -> None:
    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        entries = {name: act for name, _, act, _ in HelixCommands(app.screen)._entries()}
        assert [name for name in entries if name.startswith("Ask: ")] == [f"Ask: {question}" for question in STARTERS]
        entries[f"Ask: {STARTERS[9]}"]()
        await until(pilot, lambda: replies(app) and not app.chat.answering)
        assert questions(app) == [STARTERS[9]]

    drive(scenario, ScriptedEngine())
