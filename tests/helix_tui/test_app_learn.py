"""The lesson opens under the chat, follows it, and gives its keys back when it closes."""

from __future__ import annotations

import threading

import pytest
from driving import ask, drive, screen_text, send, until
from scripted import ScriptedEngine
from textual.pilot import Pilot

from helix_tui.app import HelixApp
from helix_tui.demo import demo_source
from helix_tui.render.learn import NOT_YET
from helix_tui.widgets.learn import LearnPanel


def panel(app: HelixApp) -> LearnPanel:
    return app.chat.query_one(LearnPanel)


async def open_lesson(pilot: Pilot[None], app: HelixApp, key: str = "f7") -> None:
    await pilot.press(key)
    await until(pilot, lambda: panel(app).has_focus)


@pytest.mark.parametrize("key", ["f7", "l"])
def test_it_opens_beside_the_panels_and_closes(key: str) -> None:
    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        if key == "l":
            app.chat.transcript.focus()
            await pilot.pause()
        await open_lesson(pilot, app, key)
        text = screen_text(app)
        assert "Two friends tell a story" in text and "KV blocks" in text
        assert NOT_YET.split(",")[0] in text
        await pilot.press(key)
        await until(pilot, lambda: "Two friends" not in screen_text(app))

    drive(scenario)


def test_keys_choose_level_and_topic() -> None:
    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        await open_lesson(pilot, app)
        for level, words in (("5", "Leviathan"), ("2", "tokens"), ("4", "draft.propose"), ("3", "proposes")):
            await pilot.press(level)
            await until(pilot, lambda words=words: words in screen_text(app))
        await pilot.press("tab", "1")
        await until(pilot, lambda: "sixteen" in screen_text(app))
        await pilot.press("tab", "escape")
        await until(pilot, lambda: not panel(app).display)
        assert app.chat.prompt.text == ""

    drive(scenario)


def test_the_example_is_the_round_on_screen_and_follows_it() -> None:
    engine = ScriptedEngine()

    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        await open_lesson(pilot, app)
        await pilot.press("3")
        engine.gate = threading.Semaphore(2)
        await send(pilot, app, "Tell me a story")
        # Kept 2 of 4 in the second round.
        await until(pilot, lambda: "kept two" in " ".join(screen_text(app).split()), "for the second round")
        engine.gate = None
        await until(pilot, lambda: not app.chat.answering)
        await until(pilot, lambda: "In the last reply" in screen_text(app))

    drive(scenario, engine)


def test_what_is_typed_beside_it_goes_to_the_prompt() -> None:
    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        await open_lesson(pilot, app)
        await pilot.press("W", "h", "y")
        assert app.chat.prompt.text == "Why" and panel(app).display
        # From the prompt the key leads back to the lesson, and only from there it closes it.
        await pilot.press("f7")
        await until(pilot, lambda: panel(app).has_focus)
        await pilot.press("f7")
        assert not panel(app).display

    drive(scenario)


@pytest.mark.parametrize("size", [(160, 45), (80, 24), (60, 20), (40, 12)], ids=lambda s: f"{s[0]}x{s[1]}")
def test_it_leaves_room_for_the_chat(size: tuple[int, int]) -> None:
    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        await ask(pilot, app, "Tell me a story")
        await open_lesson(pilot, app)
        await pilot.press("5")
        await pilot.pause()
        assert app.chat.transcript.region.height >= 2
        assert panel(app).region.height >= 4
        assert panel(app).region.bottom <= app.chat.prompt.region.y

    drive(scenario, size=size)


def test_it_teaches_beside_a_replay_too() -> None:
    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        await until(pilot, lambda: app.chat.figures.speculating.cycles > 1)
        await open_lesson(pilot, app)
        await pilot.press("2")
        await until(pilot, lambda: "Just now" in screen_text(app) or "In the last reply" in screen_text(app))

    drive(scenario, source=demo_source(), ready=False)
