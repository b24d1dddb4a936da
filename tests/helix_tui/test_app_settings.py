"""The settings in the app: theme, keys, motion, colours, and the card about what could not be used."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from driving import ask, cards, drive, questions, replies, screen_text, until
from textual.color import Color
from textual.pilot import Pilot

from helix_tui.app import HelixApp
from helix_tui.settings import Settings, gather
from helix_tui.settings.on_screen import checked
from helix_tui.themes import HELIX_CONTRAST
from helix_tui.widgets.loading import Welcome


def settings(tmp_path: Path, text: str, **environ: str) -> Settings:
    file = tmp_path / "own.toml"
    file.write_text(text)
    return checked(gather(path=file, environ=environ))


def test_theme_colours_and_motion(tmp_path: Path) -> None:
    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        assert app.theme == "helix-contrast" and app.animation_level == "none"
        assert not app.chat.prompt.cursor_blink and not app.chat.coloured
        reply = await ask(pilot, app, "Tell me a story")
        assert not reply.body.coloured and cards(app) == []

    text = '[look]\ntheme = "helix-contrast"\nreduced_motion = true\ncolours = false'
    drive(scenario, settings=settings(tmp_path, text))


@pytest.mark.parametrize("calm", [False, True])
def test_the_helix_turns_only_where_motion_is_wanted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, calm: bool
) -> None:
    import threading

    from scripted import ScriptedEngine, loader

    from helix_tui.sources import LiveSource

    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        turns: list[None] = []
        turn = app.chat._turn

        def counted() -> None:
            turns.append(None)
            turn()

        monkeypatch.setattr(app.chat, "_turn", counted)
        first = app.chat.query_one(Welcome)
        await until(pilot, lambda: len(turns) >= 2)
        assert (first.phase == 0) is calm
        gate.set()

    gate = threading.Event()
    source = LiveSource(loader=loader(ScriptedEngine(), wait=gate))
    text = f"[look]\nreduced_motion = {str(calm).lower()}"
    drive(scenario, source=source, ready=False, settings=settings(tmp_path, text))


def test_panels_are_drawn_less_often_with_reduced_motion(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: dict[bool, int] = {}
    for calm in (False, True):

        async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
            marked: list[None] = []
            monkeypatch.setattr(app.chat, "mark", lambda: marked.append(None))
            for _ in range(60):
                app.chat.figures.version += 1
                app.chat.tick()
            drawn[app.chat.calm] = len(marked)

        drive(scenario, settings=settings(tmp_path, f"[look]\nreduced_motion = {str(calm).lower()}"))
    assert drawn == {False: 20, True: 4}


def test_keys_can_be_moved(tmp_path: Path) -> None:
    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        app.chat.prompt.insert("one")
        await pilot.press("enter")
        assert app.chat.prompt.text == "one\n" and questions(app) == []
        await pilot.press("f17")
        await until(pilot, lambda: questions(app) == ["one\n"] and not app.chat.answering)
        await pilot.press("ctrl+n")
        assert len(replies(app)) == 1, "the old key is free"
        await pilot.press("f18")
        await until(pilot, lambda: not replies(app))
        await pilot.press("f1")
        await pilot.pause()
        assert "n   f18" in screen_text(app)

    text = '[keys]\n"chat.new.typing" = "f18"\n"prompt.send" = "f17"\n"prompt.newline" = "enter"'
    drive(scenario, settings=settings(tmp_path, text))


def test_a_broken_file_is_a_card_and_the_app_starts(tmp_path: Path) -> None:
    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        (card,) = cards(app)
        assert "Some settings could not be used" in card and "depth is 77" in card and "mauve" in card
        assert app.theme == "helix-dark"
        await ask(pilot, app, "Tell me a story")

    drive(scenario, settings=settings(tmp_path, '[chat]\ndepth = 77\n[look]\ntheme = "mauve"'))


def test_the_contrast_theme_has_contrast() -> None:
    def luminance(name: str) -> float:
        parts = [c / 255 for c in Color.parse(name).rgb]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    def contrast(one: str, other: str) -> float:
        high, low = sorted((luminance(one), luminance(other)), reverse=True)
        return (high + 0.05) / (low + 0.05)

    variables: dict[str, Any] = HELIX_CONTRAST.variables
    for name in ("muted", "faint", "accepted", "rejected", "corrected", "bonus", "plain"):
        assert contrast(variables[name], "#181818") >= 7, name
    for name in ("accepted", "rejected", "corrected", "bonus", "plain"):
        assert contrast(variables[name], variables[f"{name}-wash"]) >= 7, name
