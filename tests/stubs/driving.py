"""Run an app under Pilot in a sync test, waiting on state and never on time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from scripted import ScriptedEngine, loader
from textual.pilot import Pilot
from waiting import PATIENCE

from helix_tui.app import HelixApp
from helix_tui.sources import LiveSource, Source
from helix_tui.widgets.turns import CardView, QuestionView, ReplyView

Scenario = Callable[[Pilot[None], HelixApp], Awaitable[None]]


async def until(pilot: Pilot[None], condition: Callable[[], object], what: str = "") -> None:
    """Wait until the condition holds, or fail."""
    give_up = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < give_up, f"waited in vain {what or 'for a condition'}"
        await pilot.pause(0.01)
    await pilot.pause()


def app_over(engine: ScriptedEngine | None = None, *, source: Source | None = None, **options: Any) -> HelixApp:
    if source is None:
        source = LiveSource(loader=loader(engine or ScriptedEngine()))
    return HelixApp(source, clock=lambda: 0.0, **options)


def drive(
    scenario: Scenario,
    engine: ScriptedEngine | None = None,
    *,
    size: tuple[int, int] = (160, 45),
    source: Source | None = None,
    ready: bool = True,
    **options: Any,
) -> HelixApp:
    """Run the scenario over an app; with `ready`, once the engine is loaded."""
    app = app_over(engine, source=source, **options)

    async def run() -> None:
        async with app.run_test(size=size) as pilot:
            if ready:
                await until(pilot, lambda: app.chat.ready, "for the engine")
            await scenario(pilot, app)

    asyncio.run(run())
    return app


async def leave_prompt(pilot: Pilot[None], app: HelixApp) -> None:
    app.chat.transcript.focus()
    await pilot.pause()


async def send(pilot: Pilot[None], app: HelixApp, text: str) -> None:
    """Type a message into the prompt and press enter."""
    app.chat.prompt.focus()
    await pilot.pause()
    app.chat.prompt.insert(text)
    await pilot.press("enter")
    await pilot.pause()


async def ask(pilot: Pilot[None], app: HelixApp, text: str) -> ReplyView:
    """Send a message and wait for the end of its reply."""
    before = len(replies(app))
    await send(pilot, app, text)
    await until(pilot, lambda: len(replies(app)) > before and not app.chat.answering, f"for a reply to {text!r}")
    return replies(app)[-1]


def replies(app: HelixApp) -> list[ReplyView]:
    return list(app.chat.query(ReplyView))


def questions(app: HelixApp) -> list[str]:
    return [view.text for view in app.chat.query(QuestionView)]


def cards(app: HelixApp) -> list[str]:
    """Title, body and hint of each card."""
    return [f"{view.card.title}\n{view.card.body}\n{view.card.hint}" for view in app.chat.query(CardView)]


def foot(reply: ReplyView) -> str:
    return str(reply.foot.render())


def screen_text(app: HelixApp) -> str:
    """What is on the screen, line by line."""
    height = app.size.height
    lines = app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in line) for line in lines[:height])


def told(engine: ScriptedEngine, name: str) -> list[Any]:
    """The arguments of each call of that name."""
    return [argument for call, argument in engine.calls if call == name]
