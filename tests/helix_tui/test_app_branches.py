"""Edit, regenerate, rewind, fork and walking between versions, by the keys."""

from __future__ import annotations

import threading
from pathlib import Path

from driving import ask, drive, foot, questions, replies, screen_text, send, told, until
from scripted import SECOND, STORY, ScriptedEngine
from textual.pilot import Pilot

from engine import Sampling
from helix_tui.app import HelixApp
from helix_tui.store import Store
from helix_tui.widgets.turns import NoteView, QuestionView


async def press(pilot: Pilot[None], app: HelixApp, *keys: str) -> None:
    """Beside the transcript."""
    app.chat.transcript.focus()
    await pilot.pause()
    await pilot.press(*keys)
    await pilot.pause()


def asked(engine: ScriptedEngine) -> list[str]:
    """The messages of the last request."""
    return [m["content"] for m in told(engine, "submit")[-1].messages]


def versions(app: HelixApp) -> list[str]:
    """The version lines that can be seen on questions."""
    return [str(v.branch.render()) for v in app.chat.query(QuestionView) if v.branch.display]


def test_an_edited_question_becomes_another_version() -> None:
    engine = ScriptedEngine()

    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        await ask(pilot, app, "one")
        await ask(pilot, app, "two")
        await press(pilot, app, "k", "k", "e")
        assert app.chat.prompt.text == "two" and app.chat.prompt.has_focus
        assert versions(app) == ["another version of this · enter sends it, esc leaves it"]
        await pilot.press(*"!", "enter")
        await until(pilot, lambda: len(told(engine, "submit")) == 3 and not app.chat.answering)
        assert asked(engine) == ["one", STORY, "two!"]
        assert questions(app) == ["one", "two!"] and len(replies(app)) == 2
        assert versions(app) == ["‹ 2/2 ›"]
        await press(pilot, app, "left")
        assert questions(app) == ["one", "two"]
        assert replies(app)[-1].text == SECOND
        assert versions(app) == ["‹ 1/2 ›"]
        await press(pilot, app, "left")
        assert questions(app) == ["one", "two"]
        await press(pilot, app, "right")
        assert questions(app) == ["one", "two!"]

    drive(scenario, engine)


def test_escape_leaves_the_question_as_it_was() -> None:
    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        await ask(pilot, app, "one")
        await press(pilot, app, "e")
        assert app.chat.prompt.text == "one"
        await pilot.press("escape")
        assert (app.chat.prompt.text, versions(app)) == ("", [])
        await ask(pilot, app, "two")
        assert questions(app) == ["one", "two"]

    drive(scenario)


def test_the_first_question_can_be_edited() -> None:
    engine = ScriptedEngine()

    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        await ask(pilot, app, "one")
        await press(pilot, app, "e", "!", "enter")
        await until(pilot, lambda: len(told(engine, "submit")) == 2 and not app.chat.answering)
        assert asked(engine) == ["one!"]
        assert questions(app) == ["one!"]

    drive(scenario, engine)


def test_another_reply_stands_beside_the_first() -> None:
    engine = ScriptedEngine()

    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        first = await ask(pilot, app, "one")
        line = foot(first)
        await pilot.press("ctrl+g")
        await until(pilot, lambda: len(told(engine, "submit")) == 2 and not app.chat.answering)
        assert asked(engine) == ["one"]
        assert [r.text for r in replies(app)] == [SECOND]
        assert foot(replies(app)[0]).startswith("‹ 2/2 › · ")
        await press(pilot, app, "left")
        assert [r.text for r in replies(app)] == [STORY]
        assert foot(replies(app)[0]) == f"‹ 1/2 › · {line}"
        # From an earlier reply: what came after it is kept in its branch.
        await ask(pilot, app, "two")
        await press(pilot, app, "k", "k", "k", "g")
        await until(pilot, lambda: len(told(engine, "submit")) == 4 and not app.chat.answering)
        assert questions(app) == ["one"]
        await press(pilot, app, "left", "left")
        assert questions(app) == ["one", "two"]

    drive(scenario, engine, sampling=Sampling(temperature=1.0))


def test_at_temperature_0_it_is_said_that_the_same_comes_again() -> None:
    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        await ask(pilot, app, "one")
        await pilot.press("ctrl+g")
        await until(pilot, lambda: not app.chat.answering)
        assert ["At temperature 0" in n.message for n in app._notifications] == [True]

    drive(scenario)


def test_rewind_goes_on_from_a_reply_and_back() -> None:
    engine = ScriptedEngine()

    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        await ask(pilot, app, "one")
        await ask(pilot, app, "two")
        tokens = app.chat.figures.pool.tokens
        await press(pilot, app, "k", "k", "k", "w")
        assert questions(app) == ["one"]
        assert 0 < app.chat.figures.pool.tokens < tokens
        assert "2 later messages kept in their branch · w brings them back" in screen_text(app)
        await press(pilot, app, "w")
        assert questions(app) == ["one", "two"]
        assert not app.chat.query(NoteView)
        await press(pilot, app, "k", "k", "k", "w")
        await ask(pilot, app, "three")
        assert asked(engine) == ["one", STORY, "three"]
        assert not app.chat.query(NoteView)
        assert versions(app) == ["‹ 2/2 ›"]

    drive(scenario, engine)


def test_rewind_on_a_question_gives_it_back() -> None:
    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        await ask(pilot, app, "one")
        await ask(pilot, app, "two")
        await press(pilot, app, "k", "k", "w")
        assert (questions(app), app.chat.prompt.text) == (["one"], "two")

    drive(scenario)


def test_fork_begins_a_new_chat_and_leaves_the_old_one(tmp_path: Path) -> None:
    engine = ScriptedEngine()
    store = Store(tmp_path)

    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        await ask(pilot, app, "one")
        await ask(pilot, app, "two")
        old = app.chat.conversation
        await press(pilot, app, "k", "k", "k", "f")
        assert questions(app) == ["one"]
        await ask(pilot, app, "three")
        assert asked(engine) == ["one", STORY, "three"]
        assert [found.title for found in store.recent()] == ["one · fork", "one"]
        kept = store.load(old.id)
        assert kept is not None and [m.text for m in kept.path] == ["one", STORY, "two", SECOND]

    drive(scenario, engine, store=store)


def test_nothing_of_this_happens_in_mid_reply_or_in_an_empty_chat() -> None:
    engine = ScriptedEngine(gate=threading.Semaphore(1))

    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        await press(pilot, app, "e", "g", "w", "f", "left")
        assert app.chat.prompt.text == "" and told(engine, "submit") == []
        await send(pilot, app, "one")
        await until(pilot, lambda: app.chat.figures.speculating.cycles == 1)
        await press(pilot, app, "e", "g", "w", "f", "left")
        assert (questions(app), app.chat.prompt.text) == (["one"], "")
        assert len(told(engine, "submit")) == 1 and app.chat.answering
        await pilot.press("escape")
        await until(pilot, lambda: not app.chat.answering)

    drive(scenario, engine)


def test_a_rewind_to_before_the_first_question_is_undone_by_the_same_key() -> None:
    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        await ask(pilot, app, "one")
        await ask(pilot, app, "two")
        await press(pilot, app, "k", "k", "k", "k", "w")
        await until(pilot, lambda: questions(app) == [])
        assert "4 later messages kept" in screen_text(app)
        kept = app.chat.conversation
        await press(pilot, app, "n")
        app.chat.show(kept)
        await until(pilot, lambda: "4 later messages kept" in screen_text(app), "for the note after coming back")
        app.chat.prompt.clear()
        await press(pilot, app, "w")
        await until(pilot, lambda: questions(app) == ["one", "two"])
        assert "later messages" not in screen_text(app) and len(replies(app)) == 2

    drive(scenario)


def test_what_is_half_written_outlives_an_edit() -> None:
    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        await ask(pilot, app, "one")
        app.chat.prompt.insert("half a question")
        await press(pilot, app, "e")
        assert app.chat.prompt.text == "one"
        await pilot.press("escape")
        assert app.chat.prompt.text == "half a question"
        await press(pilot, app, "e", "!")
        await pilot.press("enter")
        await until(pilot, lambda: questions(app) == ["one!"] and not app.chat.answering)
        assert app.chat.prompt.text == "half a question"
        for key in ("w", "f"):
            await press(pilot, app, "k", "k", key)
            await until(pilot, lambda: questions(app) == [])
            assert app.chat.prompt.text == "half a question"
            if key == "w":
                await press(pilot, app, "w")

    drive(scenario)


def test_asking_leaves_what_was_chosen() -> None:
    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        await ask(pilot, app, "one")
        await press(pilot, app, "k", "k")
        assert app.chat.transcript.chosen is not None
        await ask(pilot, app, "two")
        assert app.chat.transcript.chosen is None
        await press(pilot, app, "e")
        assert app.chat.prompt.text == "two"

    drive(scenario)
