"""The library over a real store, by its keys; what is reopened; and what the chat says of a store that fails."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest
from driving import ask, drive, foot, questions, replies, screen_text, send, told, until
from scripted import STORY, ScriptedEngine
from textual.pilot import Pilot

from engine import Sampling
from helix_tui.app import HelixApp
from helix_tui.render.library import ago
from helix_tui.screens.chat import ChatScreen
from helix_tui.screens.library import LibraryScreen
from helix_tui.store import Store

FOX = "A fox counted stars, and lost her count."


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "chats")


async def library(pilot: Pilot[None], app: HelixApp, *keys: str) -> LibraryScreen:
    """Open it, and wait for its list; then press keys."""
    await pilot.press("f2")
    await until(pilot, lambda: isinstance(app.screen, LibraryScreen))
    screen = app.screen
    assert isinstance(screen, LibraryScreen)
    await until(pilot, lambda: not screen.workers and str(screen.said.render()))
    await pilot.press(*keys)
    await pilot.pause()
    return screen


async def listed(pilot: Pilot[None], screen: LibraryScreen, *titles: str) -> None:
    await until(pilot, lambda: [chat.title for chat in screen.found] == list(titles), f"for {titles}")


async def three(pilot: Pilot[None], app: HelixApp) -> None:
    for text in ("Tell me a story", "Why is the sky blue?", "Third question"):
        await ask(pilot, app, text)
        await pilot.press("ctrl+n")
        await until(pilot, lambda: not replies(app))


def test_opening_a_chat_restores_everything(store: Store) -> None:
    engine = ScriptedEngine(replies=[FOX, STORY])

    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        first = await ask(pilot, app, "one")
        figures, runs = foot(first), first.body.flow.lines[0].runs
        await pilot.press("ctrl+n", "ctrl+up")
        app.chat.conversation.system = None
        await ask(pilot, app, "two")
        await library(pilot, app, "down", "enter")
        await until(pilot, lambda: isinstance(app.screen, ChatScreen) and questions(app) == ["one"])
        again = replies(app)[0]
        assert again is not first
        assert (again.text, foot(again)) == (FOX, figures)
        assert again.body.flow.lines[0].runs == runs and len({kind for _, kind in runs}) > 1
        assert (app.chat.view.depth, app.chat.settings.sampling.temperature) == (2, 0.5)
        await ask(pilot, app, "three")
        assert [m["content"] for m in told(engine, "submit")[-1].messages] == ["Be brief.", "one", FOX, "three"]

    drive(scenario, engine, store=store, depth=2, sampling=Sampling(temperature=0.5), system="Be brief.")


def test_typing_searches_and_enter_goes_to_what_was_found(store: Store) -> None:
    engine = ScriptedEngine(replies=[FOX, STORY, "nothing"])

    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        await three(pilot, app)
        screen = await library(pilot, app)
        await listed(pilot, screen, "Third question", "Why is the sky blue?", "Tell me a story")
        await pilot.press(*"counted sta")
        await listed(pilot, screen, "Why is the sky blue?", "Tell me a story")
        assert "2 chats with these words" in screen_text(app)
        await pilot.press(*'rs "(')
        await listed(pilot, screen, "Why is the sky blue?", "Tell me a story")
        await pilot.press("down", "enter")
        await until(pilot, lambda: questions(app) == ["Tell me a story"])
        await until(pilot, lambda: app.chat.transcript.chosen is replies(app)[0])

    drive(scenario, engine, store=store)


def test_a_hit_in_another_branch_is_shown_in_its_branch(store: Store) -> None:
    engine = ScriptedEngine(replies=[FOX, "An owl."])

    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        await ask(pilot, app, "one")
        await pilot.press("ctrl+g")
        await until(pilot, lambda: replies(app)[-1].text == "An owl." and not app.chat.answering)
        await library(pilot, app, *"fox")
        await until(pilot, lambda: "1 chat with" in screen_text(app))
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, ChatScreen) and replies(app)[-1].text == FOX)

    drive(scenario, engine, store=store)


def test_rename_delete_and_undo(store: Store) -> None:
    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        await three(pilot, app)
        screen = await library(pilot, app, "down", "ctrl+r")
        await pilot.press(*" [b]", "enter")
        await listed(pilot, screen, "Third question", "Why is the sky blue? [b]", "Tell me a story")
        assert screen.list.highlighted == 1, "what was renamed stays chosen"
        await pilot.press("ctrl+r", "x", "escape", "up", "ctrl+d")
        await listed(pilot, screen, "Why is the sky blue? [b]", "Tell me a story")
        assert "Deleted “Third question” · ctrl+z brings it back" in screen_text(app)
        await pilot.press("down", "ctrl+d")
        await listed(pilot, screen, "Why is the sky blue? [b]")
        await pilot.press("ctrl+z")
        await listed(pilot, screen, "Why is the sky blue? [b]", "Tell me a story")
        assert screen.list.highlighted == 1, "what came back is chosen"
        await pilot.press("ctrl+z")
        await listed(pilot, screen, "Third question", "Why is the sky blue? [b]", "Tell me a story")
        await pilot.press("ctrl+z")
        assert "Nothing was deleted here" in str(screen.said.render())
        await pilot.press("escape")
        assert isinstance(app.screen, ChatScreen)

    drive(scenario, store=store)


def test_a_deleted_chat_is_not_on_the_screen_any_more(store: Store) -> None:
    engine = ScriptedEngine()

    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        engine.gate = threading.Semaphore(2)
        await send(pilot, app, "one")
        await until(pilot, lambda: app.chat.figures.speculating.cycles == 2)
        await library(pilot, app, "ctrl+d", "f2")
        await until(pilot, lambda: questions(app) == [] and not engine.busy)
        assert store.recent() == []
        engine.gate = None
        await ask(pilot, app, "two")
        assert [chat.title for chat in store.recent()] == ["two"]

    drive(scenario, engine, store=store)


def test_escape_empties_the_search_first(store: Store) -> None:
    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        screen = await library(pilot, app, *"zebra")
        await until(pilot, lambda: "Nothing has these words" in screen_text(app))
        await pilot.press("escape")
        await until(pilot, lambda: "No chats yet" in screen_text(app))
        assert screen.search.value == ""
        await pilot.press("escape")
        assert isinstance(app.screen, ChatScreen)

    drive(scenario, store=store)


def test_opening_in_mid_reply_keeps_what_came(store: Store) -> None:
    engine = ScriptedEngine(replies=["First.", STORY])

    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        await ask(pilot, app, "one")
        await pilot.press("ctrl+n")
        engine.gate = threading.Semaphore(2)
        await send(pilot, app, "two")
        await until(pilot, lambda: app.chat.figures.speculating.cycles == 2)
        partial = replies(app)[-1].text
        await library(pilot, app, "down", "enter")
        await until(pilot, lambda: questions(app) == ["one"] and not engine.busy)
        engine.gate = None
        await library(pilot, app, "enter")
        await until(pilot, lambda: questions(app) == ["two"])
        assert replies(app)[0].text == partial and partial
        assert foot(replies(app)[0]) == "stopped · 8 tokens"

    drive(scenario, engine, store=store)


def test_a_store_that_fails_is_said_and_the_chat_goes_on(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")

    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        assert (await ask(pilot, app, "one")).text == STORY
        assert ["This chat is not saved: " in n.message for n in app._notifications] == [True]
        await library(pilot, app)
        assert "This chat is not saved: " in screen_text(app)

    drive(scenario, store=Store(tmp_path / "file" / "chats"))


def test_quitting_in_mid_reply_keeps_what_came(store: Store, tmp_path: Path) -> None:
    engine = ScriptedEngine(gate=threading.Semaphore(3))
    shown: list[str] = []

    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        await send(pilot, app, "one")
        await until(pilot, lambda: app.chat.figures.speculating.cycles == 3)
        shown.append(replies(app)[0].text)
        await pilot.press("ctrl+q")
        await until(pilot, lambda: not app.is_running)

    drive(scenario, engine, store=store)
    again = Store(tmp_path / "chats")
    chat = again.load(again.recent()[0].id)
    assert chat is not None
    assert (chat.path[-1].text, chat.path[-1].reason) == (shown[0], "cancelled")
    again.close()


def test_export_writes_a_new_file_each_time(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    engine = ScriptedEngine(replies=[FOX, "An owl."])

    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        await pilot.press("escape", "x")
        assert "nothing to export" in list(app._notifications)[-1].message
        await ask(pilot, app, "Who/what?")
        await pilot.press("ctrl+g")
        await until(pilot, lambda: replies(app)[-1].text == "An owl." and not app.chat.answering)
        await pilot.press("escape", "x", "x", "X")
        await pilot.pause()

    drive(scenario, engine, store=store, system="Be brief.")
    one, two = (tmp_path / name for name in ("helix-who-what.md", "helix-who-what-2.md"))
    assert one.read_text() == two.read_text()
    text = one.read_text()
    assert text.startswith("# Who/what?\n\n*helix-chat, ")
    assert "## System\n\nBe brief.\n\n## You\n\nWho/what?\n\n## Reply (pocket-target)\n\nAn owl.\n\n*2 tokens" in text
    data = json.loads((tmp_path / "helix-who-what.json").read_text())
    assert [(m["role"], m["text"]) for m in data["messages"]] == [
        ("user", "Who/what?"), ("assistant", FOX), ("assistant", "An owl.")
    ]  # fmt: skip
    assert data["leaf"] == data["messages"][2]["id"] and data["messages"][2]["parent"] == data["messages"][0]["id"]
    assert data["messages"][1]["tokens"][0] == {"id": 0, "text": "A", "origin": "draft"}
    assert data["messages"][1]["usage"]["completion_tokens"] == 8


def test_times() -> None:
    hour = 3600.0
    said = [ago(1e9 - t, 1e9) for t in (-5, 20, 300, 5 * hour, 30 * hour, 100 * hour)]
    assert said == ["just now", "just now", "5 min ago", "5 h ago", "yesterday", "4 days ago"]
    assert ago(0, 1e9).startswith("1970")
