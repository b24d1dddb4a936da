"""Pictures of the screens in their states. After a wanted change: `pytest tests/snapshots --snapshot-update`; look."""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from driving import app_over, ask, send, until
from scripted import ScriptedEngine
from textual.pilot import Pilot

from helix_tui.app import HelixApp

Snap = Callable[..., bool]
Act = Callable[[Pilot[None], HelixApp], Awaitable[None]]


def taken(snap: Snap, size: tuple[int, int], act: Act, engine: ScriptedEngine | None = None, **options: Any) -> bool:
    app = app_over(engine, **options)

    async def run(pilot: Pilot[None]) -> None:
        app.chat.prompt.cursor_blink = False
        await until(pilot, lambda: app.chat.ready)
        await act(pilot, app)
        app.chat.mark()
        await pilot.pause()

    return snap(app, terminal_size=size, run_before=run)


async def two_turns(pilot: Pilot[None], app: HelixApp) -> None:
    """A reply without speculation, one with it, and a question that is not sent yet."""
    await pilot.press("ctrl+b")
    await ask(pilot, app, "Tell me a story")
    await pilot.press("ctrl+b")
    await ask(pilot, app, "And the owl?")
    app.chat.prompt.insert("What does she think?")


SIZES = [(160, 45), (120, 35), (100, 30), (80, 24), (60, 20), (40, 12), (20, 5)]


@pytest.mark.parametrize("size", SIZES, ids=lambda s: f"{s[0]}x{s[1]}")
def test_chat(snap_compare: Snap, size: tuple[int, int]) -> None:
    assert taken(snap_compare, size, two_turns)


def test_chat_in_mid_reply(snap_compare: Snap) -> None:
    engine = ScriptedEngine()

    async def act(pilot: Pilot[None], app: HelixApp) -> None:
        await ask(pilot, app, "Tell me a story")
        engine.gate = threading.Semaphore(9)
        await send(pilot, app, "And the owl?")
        await until(pilot, lambda: app.chat.figures.speculating.cycles == 9)

    assert taken(snap_compare, (160, 45), act, engine)


def test_chat_in_light(snap_compare: Snap) -> None:
    async def act(pilot: Pilot[None], app: HelixApp) -> None:
        app.theme = "helix-light"
        await two_turns(pilot, app)

    assert taken(snap_compare, (160, 45), act)


def test_before_the_first_question(snap_compare: Snap) -> None:
    async def act(pilot: Pilot[None], app: HelixApp) -> None:
        pass

    assert taken(snap_compare, (160, 45), act)


def test_an_error_card(snap_compare: Snap) -> None:
    engine = ScriptedEngine()

    async def act(pilot: Pilot[None], app: HelixApp) -> None:
        await ask(pilot, app, "Tell me a story")
        engine.failing = ("ContextTooLong", "The prompt has 2,310 tokens, but this model takes 2,048; shorten it.")
        await send(pilot, app, "And now all of it again, please.")
        await until(pilot, lambda: not app.chat.answering)

    assert taken(snap_compare, (100, 30), act, engine)


def test_help(snap_compare: Snap) -> None:
    async def act(pilot: Pilot[None], app: HelixApp) -> None:
        await pilot.press("f1")
        await pilot.pause()

    assert taken(snap_compare, (160, 48), act)
