"""The chat from end to end over a scripted engine: turns, loading, errors, text that means harm."""

from __future__ import annotations

import threading
from pathlib import Path

from driving import ask, drive, foot, questions, replies, screen_text, send, told, until
from scripted import STORY, ScriptedEngine, loader
from textual.pilot import Pilot

from engine import Sampling, read_recording
from engine.events import Cycle, Finished, Loaded, Started
from helix_tui.app import HelixApp
from helix_tui.sources import LiveSource
from helix_tui.widgets.loading import LoadingLine, Welcome
from helix_tui.widgets.turns import QuestionView, ReplyView


def test_a_reply_is_the_models_text_and_its_figures() -> None:
    engine = ScriptedEngine()

    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        assert app.chat.query(Welcome)
        reply = await ask(pilot, app, "Tell me a story")
        assert reply.text == STORY
        assert questions(app) == ["Tell me a story"]
        assert not app.chat.query(Welcome)
        assert foot(reply) == "90 tokens · 360 tokens/s · first token 34 ms · 73 % accepted"

    drive(scenario, engine)
    assert engine.threads == {"helix-engine"}


def test_the_second_turn_carries_the_first_and_shows_what_was_reused() -> None:
    engine = ScriptedEngine()

    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        await ask(pilot, app, "Tell me a story")
        assert app.chat.figures.pool.reused_blocks == 0
        reply = await ask(pilot, app, "And the owl?")
        assert [m["role"] for m in told(engine, "submit")[1].messages] == ["user", "assistant", "user"]
        assert told(engine, "submit")[1].messages[1]["content"] == STORY
        assert foot(reply).endswith("96 of 113 prompt tokens reused")
        app.chat.mark()
        await pilot.pause()
        assert "6 reused = 96 of 113 prompt tokens" in screen_text(app)

    drive(scenario, engine)


def test_settings_reach_the_engine() -> None:
    engine = ScriptedEngine()

    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        reply = await ask(pilot, app, "hello")
        assert foot(reply).startswith("cut at the token limit · 5 tokens")

    drive(scenario, engine, depth=2, sampling=Sampling(temperature=0.5), max_tokens=5, system="Be brief.", seed=7)
    (request,) = told(engine, "submit")
    assert (request.speculation.depth, request.sampling.temperature, request.max_tokens, request.seed) == (2, 0.5, 5, 7)
    assert request.messages[0] == {"role": "system", "content": "Be brief."}


def test_a_message_sent_while_loading_waits_and_is_answered() -> None:
    engine, gate = ScriptedEngine(), threading.Event()

    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        await until(pilot, lambda: "target weights" in screen_text(app))
        assert "63 %" in screen_text(app)
        await send(pilot, app, "hello")
        assert questions(app) == ["hello"]
        assert app.chat.transcript.turns[-1] is app.chat.query_one(LoadingLine)
        assert told(engine, "submit") == []
        gate.set()
        await until(pilot, lambda: replies(app) and not app.chat.answering)
        assert replies(app)[0].text == STORY
        assert not app.chat.query(LoadingLine)

    drive(scenario, source=LiveSource(loader=loader(engine, wait=gate)), ready=False)


def test_two_messages_sent_while_loading_are_answered_in_order() -> None:
    engine, gate = ScriptedEngine(), threading.Event()

    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        await send(pilot, app, "one")
        await send(pilot, app, "two")
        gate.set()
        await until(pilot, lambda: len(replies(app)) == 2 and not app.chat.answering)
        assert [r.messages[-1]["content"] for r in told(engine, "submit")] == ["one", "two"]
        shown = [turn.message for turn in app.chat.transcript.turns if isinstance(turn, (QuestionView, ReplyView))]
        assert shown == app.chat.conversation.path, "each reply below its own question"

    drive(scenario, source=LiveSource(loader=loader(engine, wait=gate)), ready=False)


def test_escape_takes_back_a_message_that_waits() -> None:
    engine, gate = ScriptedEngine(), threading.Event()

    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        await send(pilot, app, "one")
        await pilot.press("escape")
        gate.set()
        await until(pilot, lambda: app.chat.ready)
        await ask(pilot, app, "two")
        assert [r.messages[-1]["content"] for r in told(engine, "submit")] == ["two"]

    drive(scenario, source=LiveSource(loader=loader(engine, wait=gate)), ready=False)


def test_a_message_sent_during_a_reply_stays_in_the_prompt() -> None:
    gate = threading.Semaphore(1)
    engine = ScriptedEngine(gate=gate)

    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        await send(pilot, app, "one")
        await until(pilot, lambda: app.chat.figures.speculating.cycles == 1)
        await send(pilot, app, "two")
        assert app.chat.prompt.text == "two"
        assert [n.message for n in app._notifications] == ["esc stops the reply first"]
        await pilot.press("escape")
        await until(pilot, lambda: not app.chat.answering)
        assert questions(app) == ["one"]

    drive(scenario, engine)
    assert len(told(engine, "submit")) == 1


EVIL = "[/foo] [red]x[/] \x1b[2J\x1b]0;title\x07 \x9b31m a\rb \u202eabc\u202c [link=x]y"


def test_escapes_and_markup_from_the_model_are_harmless() -> None:
    engine = ScriptedEngine(replies=[EVIL])

    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        reply = await ask(pilot, app, "[/bar] \x1b[31m [b]bold[/b]")
        shown = screen_text(app)
        assert "[/foo] [red]x[/] ␛[2J␛]0;title␇ �31m a␍b �abc� [link=x]y" in shown
        assert "[/bar]" in shown and "[b]bold[/b]" in shown
        for bad in "\x1b\x07\x9b\r\u202e":
            assert bad not in shown
        assert reply.text.startswith("[/foo]")
        # The engine gets the person's words back as they were, and its own.
        await ask(pilot, app, "more")
        assert told(engine, "submit")[1].messages[1]["content"] == EVIL

    drive(scenario, engine)


def test_wide_characters_wrap_inside_the_view() -> None:
    text = "世界" * 60 + " 👩‍👩‍👧 e\u0301tude " + "long" * 40
    engine = ScriptedEngine(replies=[text])

    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        reply = await ask(pilot, app, "hello")
        body = reply.body
        assert reply.text == text
        width = body.size.width
        assert body.size.height > 3
        assert all(body.render_line(y).cell_length == width for y in range(body.size.height)), "as Markdown"
        await pilot.press("escape", "v")
        await until(pilot, lambda: body.flow.width == width)
        assert len(body.flow.lines) > 3
        assert all(line.cells <= width for line in body.flow.lines)
        assert all(body.render_line(y).cell_length == width for y in range(len(body.flow.lines)))

    drive(scenario, engine, size=(61, 24))


def test_resizing_in_mid_stream_keeps_the_text_whole() -> None:
    gate = threading.Semaphore(0)
    engine = ScriptedEngine(gate=gate)

    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        await send(pilot, app, "hello")
        for cycles, (width, height) in enumerate([(160, 45), (80, 24), (40, 12), (5, 2), (20, 5), (100, 30)], 1):
            gate.release()
            await until(pilot, lambda n=cycles: app.chat.figures.speculating.cycles == n)
            await pilot.resize_terminal(width, height)
            await pilot.pause()
        engine.gate = None
        await until(pilot, lambda: not app.chat.answering)
        body = replies(app)[0].body
        assert replies(app)[0].text == STORY
        assert body.flow.width == body.size.width
        assert all(line.cells <= body.size.width + 1 for line in body.flow.lines)

    drive(scenario, engine)


def test_the_view_follows_the_end_until_the_person_scrolls_away() -> None:
    gate = threading.Semaphore(0)
    engine = ScriptedEngine(replies=[f"{STORY}\n\n{STORY}\n\n{STORY}"], gate=gate)

    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        view = app.chat.transcript

        async def rounds(count: int) -> None:
            goal = app.chat.figures.speculating.cycles + count
            gate.release(count)
            await until(pilot, lambda: app.chat.figures.speculating.cycles == goal)
            await pilot.pause()

        await send(pilot, app, "hello")
        await rounds(45)
        await until(pilot, lambda: 0 < view.max_scroll_y == view.scroll_y)
        view.focus()
        await pilot.press("home")
        await until(pilot, lambda: view.scroll_y == 0)
        await rounds(10)
        assert view.scroll_y == 0
        await pilot.press("end")
        await until(pilot, lambda: view.scroll_y == view.max_scroll_y)
        before = view.max_scroll_y
        await rounds(10)
        await until(pilot, lambda: before < view.max_scroll_y == view.scroll_y)
        await pilot.press("escape")
        await until(pilot, lambda: not app.chat.answering)

    drive(scenario, engine, size=(80, 24))


def test_a_short_chat_stands_at_the_top() -> None:
    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        await ask(pilot, app, "hello")
        assert app.chat.transcript.scroll_y == 0
        assert app.chat.transcript.turns[0].region.y == app.chat.transcript.region.y + 1

    drive(scenario)


def test_everything_is_recorded_and_in_order(tmp_path: Path) -> None:
    path = tmp_path / "chat.jsonl"

    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        await ask(pilot, app, "hello")
        await pilot.press("ctrl+q")
        await until(pilot, lambda: not app.is_running)

    drive(scenario, record=path)
    events = [event for _, event in read_recording(path)]
    kinds = [type(e) for e in events]
    assert kinds.count(Loaded) == kinds.count(Started) == 1
    assert "".join(t.text for e in events if isinstance(e, Cycle) for t in e.emitted) == STORY
    assert isinstance(events[-1], Finished)


def test_the_source_starts_only_after_the_first_picture() -> None:
    painted: list[bool] = []
    holder: list[HelixApp] = []

    def load(**options: object) -> ScriptedEngine:
        app = holder[0]
        painted.append("Ask something." in screen_text(app))
        return ScriptedEngine()

    from driving import app_over

    app = app_over(source=LiveSource(loader=load))
    holder.append(app)

    async def run() -> None:
        async with app.run_test(size=(100, 30)) as pilot:
            await until(pilot, lambda: app.chat.ready)

    import asyncio

    asyncio.run(run())
    assert painted == [True]
