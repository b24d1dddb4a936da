"""Finished replies as Markdown, the tokens behind them, and the place in the view that stays."""

from __future__ import annotations

import threading

from driving import ask, drive, replies, screen_text, send, until
from scripted import STORY, ScriptedEngine
from textual.pilot import Pilot

from helix_tui.app import HelixApp
from helix_tui.render.markdown import LONGEST

LIST = "Some **bold** words:\n\n* one\n* two\n\n```python\nx = 1\n```\n"
LONG = "\n\n".join(f"Paragraph {n} with **some** words in it." for n in range(40))


def talk(app: HelixApp) -> str:
    """The transcript as it is on the screen."""
    region = app.chat.transcript.region
    return "\n".join(line[: region.right] for line in screen_text(app).splitlines()[region.y : region.bottom])


def top_line(app: HelixApp) -> str:
    """Its first line with words."""
    return next(line.strip() for line in talk(app).splitlines() if line.strip())


def test_a_finished_reply_is_markdown_and_v_brings_the_tokens_back() -> None:
    engine = ScriptedEngine(replies=[LIST], gate=threading.Semaphore(3))

    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        await send(pilot, app, "List")
        await until(pilot, lambda: "**bold**" in talk(app))
        engine.gate = None
        await until(pilot, lambda: not app.chat.answering)
        await until(pilot, lambda: "• one" in talk(app))
        assert "**" not in talk(app)
        await pilot.press("escape", "v")
        assert "* one" in talk(app) and "**bold**" in talk(app)
        await pilot.press("v")
        assert "• one" in talk(app)
        assert replies(app)[0].source == LIST

    drive(scenario, engine)


def test_v_with_a_chosen_reply_is_for_that_one() -> None:
    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        first, second = await ask(pilot, app, "1"), await ask(pilot, app, "2")
        await pilot.press("escape", "k", "v")
        assert second.as_tokens and not first.as_tokens
        await pilot.press("j", "v")
        assert second.as_tokens and first.as_tokens
        third = await ask(pilot, app, "3")
        assert third.as_tokens

    drive(scenario, ScriptedEngine(replies=[LIST]))


def test_colours_bring_the_tokens_and_take_them_away_again() -> None:
    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        reply = await ask(pilot, app, "1")
        assert app.chat.coloured and not reply.as_tokens
        await pilot.press("ctrl+l")
        assert reply.as_tokens and reply.body.coloured
        await pilot.press("ctrl+l")
        assert not reply.as_tokens and not reply.body.coloured
        assert not (await ask(pilot, app, "2")).body.coloured

    drive(scenario, ScriptedEngine(replies=[LIST]))


def test_prose_does_not_move_when_it_is_finished() -> None:
    engine = ScriptedEngine(replies=[STORY], gate=threading.Semaphore(0))

    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        await send(pilot, app, "Tell me")
        assert engine.gate is not None
        engine.gate.release(500)
        await until(pilot, lambda: not app.chat.answering)
        reply = replies(app)[0]
        as_read = screen_text(app)
        height = reply.body.size.height
        reply.as_tokens = True
        await pilot.pause()
        assert reply.body.size.height == height
        assert screen_text(app) == as_read

    drive(scenario, engine)


def test_a_reply_too_long_for_markdown_stays_as_it_streamed() -> None:
    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        reply = await ask(pilot, app, "1")
        assert reply.as_tokens
        await pilot.press("escape", "v", "v")
        assert reply.as_tokens

    drive(scenario, ScriptedEngine(replies=["x" * (LONGEST + 1)]))


def test_a_theme_change_colours_the_page_again() -> None:
    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        reply = await ask(pilot, app, "1")
        dark = [s.style for y in range(len(reply.body.page.lines)) for s in reply.body.render_line(y)]
        app.theme = "helix-light"
        await pilot.pause()
        light = [s.style for y in range(len(reply.body.page.lines)) for s in reply.body.render_line(y)]
        assert {s.color for s in dark if s}.isdisjoint({s.color for s in light if s})
        app.theme = "nord"
        await pilot.pause()
        assert "• one" in screen_text(app)

    drive(scenario, ScriptedEngine(replies=[LIST]))


def test_the_place_stays_when_views_change_and_when_the_window_does() -> None:
    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        for question in "123":
            await ask(pilot, app, question)
        transcript = app.chat.transcript
        last = replies(app)[-1]
        transcript.scroll_to_widget(last, animate=False, top=True)
        await pilot.pause()
        before = top_line(app)
        assert before.startswith("Paragraph 0")
        replies(app)[0].as_tokens = True
        await pilot.pause()
        await pilot.pause()
        assert top_line(app).startswith("Paragraph 0")
        await pilot.resize_terminal(50, 20)
        await pilot.pause()
        assert top_line(app).startswith("Paragraph 0")
        await pilot.resize_terminal(160, 45)
        await pilot.pause()
        assert top_line(app) == before

    drive(scenario, ScriptedEngine(replies=["Shorter\nor\n\n\n\n\n\n\nlonger\n\n" + LONG, LONG, LONG]))


def test_resizing_in_mid_stream_keeps_the_text_and_the_end() -> None:
    engine = ScriptedEngine(replies=[LONG], gate=threading.Semaphore(60))

    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        await send(pilot, app, "go")
        await until(pilot, lambda: len(replies(app)[0].source) > 500)
        for size in ((50, 20), (100, 30), (20, 5), (160, 45)):
            await pilot.resize_terminal(*size)
            await pilot.pause()
            transcript = app.chat.transcript
            assert transcript.scroll_y == transcript.max_scroll_y
        engine.gate = None
        await until(pilot, lambda: not app.chat.answering)
        assert replies(app)[0].source == LONG
        assert "Paragraph 39" in screen_text(app)

    drive(scenario, engine)
