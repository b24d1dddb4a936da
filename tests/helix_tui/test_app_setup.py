"""The settings of a chat: what the screen changes, when it holds, what it refuses; and what was sent before."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from driving import ask, drive, questions, screen_text, send, told, until
from scripted import ScriptedEngine
from textual import events
from textual.pilot import Pilot

from engine import Sampling
from helix_tui.app import HelixApp
from helix_tui.render.setup import numbers, to_keep
from helix_tui.screens.setup import SetupScreen
from helix_tui.sent_file import SentFile
from helix_tui.settings import Settings, gather


async def opened(pilot: Pilot[None], app: HelixApp) -> SetupScreen:
    await pilot.press("ctrl+y")
    await until(pilot, lambda: isinstance(app.screen, SetupScreen))
    screen = app.screen
    assert isinstance(screen, SetupScreen)
    return screen


def test_changes_hold_from_the_next_question_on() -> None:
    engine = ScriptedEngine()

    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        engine.gate = threading.Semaphore(2)
        await send(pilot, app, "First")
        await until(pilot, lambda: app.chat.figures.speculating.cycles == 2)
        screen = await opened(pilot, app)
        screen._prompts.value, screen._preset.value, screen._theme.value = "brief", "creative", "helix-light"
        await until(pilot, lambda: "short sentences" in screen._system.value)
        screen._depth.value, screen._most.value = "2", "9"
        await until(pilot, lambda: 'preset = "creative"' in screen_text(app))
        await pilot.press("ctrl+s")
        await until(pilot, lambda: app.screen is app.chat)
        assert app.theme == "helix-light"
        assert ("depth", 2) in engine.calls, "the depth of a reply that runs, as its keys do"
        engine.gate = None
        await until(pilot, lambda: not app.chat.answering)
        await ask(pilot, app, "Second")
        first, second = told(engine, "submit")
        assert first.sampling == Sampling() and first.messages[0]["role"] == "user"
        assert second.sampling == Sampling(1.0, min_p=0.05) and second.max_tokens == 9
        assert second.speculation.depth == 2 and "short sentences" in second.messages[0]["content"]

    drive(scenario, engine)


@pytest.mark.parametrize("height", [24, 12])
def test_on_a_small_screen_it_opens_at_its_top(height: int) -> None:
    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        screen = await opened(pilot, app)
        await until(pilot, lambda: screen.has_class("-h0"))
        await until(pilot, lambda: "Settings of this chat" in screen_text(app))
        if height == 24:
            await until(pilot, lambda: "enter in a field" in screen_text(app), "for all of it, as it fits")
        assert screen.query_one("#setup").scroll_offset.y == 0 and screen.focused is screen._prompts

    drive(scenario, ScriptedEngine(), size=(80, height))


def test_escape_changes_nothing() -> None:
    engine = ScriptedEngine()

    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        screen = await opened(pilot, app)
        screen._preset.value, screen._system.value = "creative", "Other."
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is app.chat)
        await ask(pilot, app, "First")
        (request,) = told(engine, "submit")
        assert request.sampling == Sampling() and len(request.messages) == 1

    drive(scenario, engine)


@pytest.mark.parametrize(
    ("field", "text", "sentence"),
    [("_depth", "99", "depth is 99"), ("_depth", "deep", "must be a whole number"), ("_most", "0", "max_tokens is 0"),
     ("_most", "[red]", "must be a whole number")],
)  # fmt: skip
def test_a_value_that_cannot_be_is_refused_on_the_screen(field: str, text: str, sentence: str) -> None:
    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        screen = await opened(pilot, app)
        getattr(screen, field).value = text
        await until(pilot, lambda: sentence in screen_text(app))
        await pilot.press("ctrl+s")
        await pilot.pause()
        assert app.screen is screen

    drive(scenario)


def test_a_system_prompt_and_numbers_of_one_s_own_stay(tmp_path: Path) -> None:
    engine = ScriptedEngine()

    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        screen = await opened(pilot, app)
        assert screen._prompts.value == screen._preset.value == "as it is" and screen._system.value == "Be [b]kind[/]."
        screen._depth.focus()
        await pilot.press("enter")
        await until(pilot, lambda: app.screen is app.chat)
        await ask(pilot, app, "First")
        (request,) = told(engine, "submit")
        assert request.sampling == Sampling(0.33) and request.messages[0]["content"] == "Be [b]kind[/]."

    drive(scenario, engine, system="Be [b]kind[/].", sampling=Sampling(0.33))


def test_a_preset_that_the_file_names_is_kept_already(tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text('[chat]\nsystem = "tutor"\n[look]\ntheme = "nord"')
    settings = gather(path=tmp_path / "own.toml", environ={})

    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        screen = await opened(pilot, app)
        assert screen._prompts.value == "tutor" and to_keep(screen._changes(), settings) == []
        await pilot.press("ctrl+s")
        await until(pilot, lambda: app.screen is app.chat)
        assert str(app.chat.conversation.system).startswith("You are a patient teacher")

    drive(scenario, settings=settings, system=settings.system, depth="auto")


def test_numbers_are_words() -> None:
    assert numbers(Sampling()) == "always the likeliest token"
    assert numbers(Sampling(0.7, top_p=0.9)) == "temperature 0.7, top-p 0.9"


def test_the_lines_to_keep_are_those_that_differ(tmp_path: Path) -> None:
    changes = {"chat.system": 'Say "hi".', "chat.depth": "auto", "chat.max_tokens": 9, "look.theme": "nord"}
    lines = to_keep(changes, Settings())
    assert lines == ["[chat]", 'system = "Say \\"hi\\"."', "max_tokens = 9", "[look]", 'theme = "nord"']
    (tmp_path / "own.toml").write_text("\n".join(lines))
    kept = gather(path=tmp_path / "own.toml", environ={})
    assert kept.problems == () and to_keep(changes, kept) == []


def test_the_up_arrow_brings_back_another_session(tmp_path: Path) -> None:
    file = SentFile(tmp_path / "sent.db")

    async def first(pilot: Pilot[None], app: HelixApp) -> None:
        await ask(pilot, app, "from the first session")

    async def second(pilot: Pilot[None], app: HelixApp) -> None:
        await pilot.press("up")
        assert app.chat.prompt.text == "from the first session"

    drive(first, sent=file)
    drive(second, sent=SentFile(tmp_path / "sent.db"))


def test_a_paste_of_ten_thousand_lines_is_one_message() -> None:
    engine = ScriptedEngine(blocks=4096)
    text = "\n".join(f"line {n}" for n in range(10_000))

    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        app.chat.prompt.focus()
        app.post_message(events.Paste(text))
        await until(pilot, lambda: app.chat.prompt.text == text)
        await pilot.press("enter")
        await until(pilot, lambda: bool(told(engine, "submit")) and not app.chat.answering)
        assert questions(app) == [text] and told(engine, "submit")[0].messages[-1]["content"] == text

    drive(scenario, engine)
