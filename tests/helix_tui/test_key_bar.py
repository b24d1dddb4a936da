"""The footer's keys: whole ones only, and the help's always."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from driving import drive, until
from textual.pilot import Pilot

from helix_tui.app import HelixApp
from helix_tui.screens.help import HelpScreen, HelpText
from helix_tui.screens.map import MapScreen
from helix_tui.screens.swarm import SwarmScreen

WIDTHS = (160, 86, 80, 73, 66, 60, 51, 40)


def footer(app: HelixApp) -> str:
    strips = app.screen._compositor.render_strips()
    return "".join(segment.text for segment in strips[-1]).rstrip()


def test_keys_are_whole_at_every_width_and_the_helps_stays() -> None:
    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        whole = footer(app).replace("f1 Help", "").split("  ")
        assert len([key for key in whole if key.strip()]) == 8
        for width in WIDTHS:
            await pilot.resize_terminal(width, 24)
            await until(pilot, lambda w=width: app.chat.size.width == w)  # type: ignore[misc]
            shown = footer(app)
            assert "f1 Help" in shown
            for key in re.split(r" {2,}", shown.replace("f1 Help", "").strip()):
                assert key in [each.strip() for each in whole], f"{key!r} at {width}"
        await pilot.resize_terminal(160, 24)
        await until(pilot, lambda: footer(app).endswith("Quit"), "for all keys again")

    drive(scenario)


@pytest.fixture
def screens() -> Iterator[list[tuple[str, type]]]:
    yield [("m", MapScreen), ("s", SwarmScreen)]


def test_screens_beside_the_chat_tell_of_their_own_keys(screens: list[tuple[str, type]]) -> None:
    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        for key, kind in screens:
            await pilot.press("escape", key)
            await until(pilot, lambda k=kind: isinstance(app.screen, k))  # type: ignore[misc]
            await pilot.press("question_mark")
            await until(pilot, lambda: isinstance(app.screen, HelpScreen))
            text = str(app.screen.query_one(HelpText).render())
            assert "Close" in text or "Back to the chat" in text
            assert "Focus" not in text and "Draft one token" not in text
            await pilot.press("escape", "escape")
            await until(pilot, lambda: app.screen is app.chat)

    drive(scenario)


def test_words_of_the_help_stay_in_their_column() -> None:
    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        await pilot.press("f1")
        await until(pilot, lambda: isinstance(app.screen, HelpScreen))
        lines = str(app.screen.query_one(HelpText).render()).split("\n")
        at = next(i for i, line in enumerate(lines) if line.startswith("t  "))
        assert lines[at].index("Put a cursor") == len(lines[at + 1]) - len(lines[at + 1].lstrip())

    drive(scenario, size=(80, 24))
