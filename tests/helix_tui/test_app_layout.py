"""What is shown at which size, and that no size breaks anything."""

from __future__ import annotations

import pytest
from driving import app_over, ask, drive, screen_text
from scripted import STORY, ScriptedEngine
from textual.pilot import Pilot

from helix_tui.app import HelixApp


def shown(app: HelixApp) -> set[str]:
    names = ("speculation", "speed", "blocks", "memory", "strip", "top")
    return {name for name in names if app.chat.query_one(f"#{name}").region.area}


@pytest.mark.parametrize(
    ("size", "panels"),
    [
        ((160, 45), {"top", "speculation", "speed", "blocks", "memory"}),
        ((100, 30), {"top", "speculation", "speed", "blocks", "memory"}),
        ((120, 24), {"top", "speculation", "speed", "blocks"}),
        ((100, 15), {"top", "speculation", "speed"}),
        ((99, 45), {"top", "strip"}),
        ((80, 24), {"top", "strip"}),
        ((40, 12), {"top", "strip"}),
        ((39, 12), {"top"}),
        ((80, 11), {"top"}),
    ],
)
def test_panels_by_size(size: tuple[int, int], panels: set[str]) -> None:
    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        await ask(pilot, app, "hello")
        assert shown(app) == panels
        assert app.chat.transcript.region.area
        assert app.chat.prompt.region.area

    drive(scenario, size=size)


def test_a_handful_of_lines_shows_what_was_said_and_the_whole_prompt_line() -> None:
    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        await ask(pilot, app, "hello")
        app.chat.prompt.insert("What next?")
        await pilot.pause()
        lines = screen_text(app).splitlines()
        assert " ".join(STORY.split()).endswith(" ".join(" ".join(lines[1:4]).split()))
        assert "What next?" in lines[4]

    drive(scenario, ScriptedEngine(replies=[STORY]), size=(20, 5))


@pytest.mark.parametrize("size", [(5, 2), (1, 1), (12, 4), (20, 5), (39, 11), (300, 4), (8, 60)])
def test_no_size_crashes(size: tuple[int, int]) -> None:
    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        reply = await ask(pilot, app, "hello")
        assert reply.text
        await pilot.press("f1")
        await pilot.pause()

    drive(scenario, size=size)


def test_the_strip_tells_the_essentials() -> None:
    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        await ask(pilot, app, "hello")
        await ask(pilot, app, "again")
        app.chat.mark()
        await pilot.pause()
        lines = screen_text(app).splitlines()
        assert lines[1].startswith(" depth 4  ") and "72 % kept  3.83/round" in lines[1]
        assert "✓✓✓✓★" in lines[1]
        assert lines[2].startswith(" 376 tok/s") and lines[2].rstrip().endswith("KV 0/256, 6 reused")

    drive(scenario, ScriptedEngine(), size=(80, 24))


def test_no_color_leaves_the_shapes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")

    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        assert app.no_color
        reply = await ask(pilot, app, "hello")
        app.chat.action_origins()
        await pilot.pause()
        styles = [s.style for y in range(3) for s in reply.body.render_line(y) if s.style]
        assert any(s.underline for s in styles) and any(s.italic for s in styles)
        app.chat.mark()
        await pilot.pause()
        text = screen_text(app)
        assert "✓said" in text and "✗" in text and "★" in text
        assert "▓" in text and "░" in text

    drive(scenario)


def test_a_theme_of_textuals_own_works() -> None:
    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        await ask(pilot, app, "hello")
        for theme in ("nord", "textual-light"):
            app.theme = theme
            await pilot.pause()
        assert "Speculation" in screen_text(app)

    drive(scenario)


def test_textual_theme_is_the_persons_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    assert app_over().theme == "helix-dark"
    monkeypatch.setenv("TEXTUAL_THEME", "nord")
    assert app_over().theme != "helix-dark"
