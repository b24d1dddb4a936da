"""Pictures of the library and of a chat with branches."""

from __future__ import annotations

from pathlib import Path

import pytest
from driving import ask, replies, until
from scripted import SECOND, STORY, ScriptedEngine
from test_screens import Snap, taken
from textual.pilot import Pilot

from helix_tui.app import HelixApp
from helix_tui.screens.library import LibraryScreen
from helix_tui.store import Store


class Clock:
    """An hour passes between two readings while chats are made."""

    def __init__(self) -> None:
        self.now, self.step = 1_700_000_000.0, 3600.0

    def __call__(self) -> float:
        self.now += self.step
        return self.now


async def chats(pilot: Pilot[None], app: HelixApp) -> None:
    for text in (
        "Tell me a story",
        "Who counts the stars at night, and why does she lose count?",
        "猫头鹰住在哪里？",
    ):
        await ask(pilot, app, text)
        await pilot.press("ctrl+n")
        await until(pilot, lambda: not replies(app))
    await ask(pilot, app, "And the owl?")
    app.store.now.step = 0.0  # type: ignore[attr-defined]
    await pilot.press("f2")
    await until(pilot, lambda: isinstance(app.screen, LibraryScreen) and app.screen.found)


@pytest.mark.parametrize("size", [(160, 45), (80, 24), (40, 12)], ids=lambda s: f"{s[0]}x{s[1]}")
def test_library(snap_compare: Snap, tmp_path: Path, size: tuple[int, int]) -> None:
    engine = ScriptedEngine(replies=[STORY, SECOND, "它住在老橡树里。", SECOND])

    async def act(pilot: Pilot[None], app: HelixApp) -> None:
        await chats(pilot, app)
        app.screen.search.cursor_blink = False  # type: ignore[attr-defined]

    assert taken(snap_compare, size, act, engine, store=Store(tmp_path, Clock()))


def test_library_with_a_search(snap_compare: Snap, tmp_path: Path) -> None:
    engine = ScriptedEngine(replies=[STORY, SECOND, "它住在老橡树里。", SECOND])

    async def act(pilot: Pilot[None], app: HelixApp) -> None:
        await chats(pilot, app)
        screen = app.screen
        assert isinstance(screen, LibraryScreen)
        screen.search.cursor_blink = False
        await pilot.press(*"owl star")
        await until(pilot, lambda: "with these words" in str(screen.said.render()))

    assert taken(snap_compare, (120, 35), act, engine, store=Store(tmp_path, Clock()))


def test_a_chat_with_branches(snap_compare: Snap) -> None:
    async def act(pilot: Pilot[None], app: HelixApp) -> None:
        await ask(pilot, app, "Tell me a story")
        await ask(pilot, app, "And the owl?")
        await pilot.press("escape", "k", "k", "e")
        await pilot.press(*" Why?", "enter")
        await until(pilot, lambda: replies(app)[-1].text == STORY and not app.chat.answering)
        await pilot.press("ctrl+g")
        await until(pilot, lambda: replies(app)[-1].text == SECOND and not app.chat.answering)
        await pilot.press("escape", "k", "k")
        app.clear_notifications()

    assert taken(snap_compare, (120, 35), act)
