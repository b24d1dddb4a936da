"""On stage the race, the swarm and the card are large and say nothing personal."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from driving import ask, drive, until
from textual.pilot import Pilot

from helix_tui.app import HelixApp
from helix_tui.render.digits import fitting
from helix_tui.screens.race import RaceScreen
from helix_tui.screens.swarm import SwarmScreen
from helix_tui.widgets.key_bar import KeyBar


def words(app: HelixApp) -> str:
    return "\n".join("".join(part.text for part in line) for line in app.screen._compositor.render_strips())


@pytest.mark.parametrize(
    ("sample", "width", "rows", "scale"),
    [("888.8", 200, 9, 3), ("888.8", 42, 9, 2), ("888.8", 41, 9, 1), ("8", 99, 5, 1)],
)
def test_figures_are_as_large_as_fit(sample: str, width: int, rows: int, scale: int) -> None:
    assert fitting(sample, width, rows) == scale


def test_f8_works_beside_the_chat_and_the_figures_grow() -> None:
    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        await pilot.press("f6")
        await until(pilot, lambda: isinstance(app.screen, SwarmScreen))
        room = app.screen.query_one("#swarm-figures")
        before = room.size.height
        await pilot.press("f8")
        await until(pilot, lambda: room.size.height > before, "for larger figures")
        assert app.staged and not app.screen.query_one(KeyBar).display
        await pilot.press("f8")
        await until(pilot, lambda: room.size.height == before, "for the usual ones")
        assert not app.staged and app.screen.query_one(KeyBar).display

    drive(scenario)


def test_what_went_wrong_is_said_without_paths() -> None:
    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        await pilot.press("f8", "f6")
        await until(pilot, lambda: isinstance(app.screen, SwarmScreen))
        swarm = app.screen
        assert isinstance(swarm, SwarmScreen)
        await until(pilot, lambda: all(member.state == "done" for member in swarm.swarm.members))
        swarm.swarm.members[0].state = "failed"
        swarm.swarm.members[0].error = "No room in /home/ada/models/secret; free some."
        swarm._draw()
        await until(pilot, lambda: "No room in …; free some." in words(app))
        await pilot.press("escape", "f5")
        await until(pilot, lambda: isinstance(app.screen, RaceScreen))
        race = app.screen
        assert isinstance(race, RaceScreen)
        race._broken("No room in /home/ada/models/secret; free some.")
        await until(pilot, lambda: "No room in …; free some." in words(app))
        assert "secret" not in words(app)

    drive(scenario)


@pytest.mark.parametrize("staged", [True, False])
def test_a_card_made_on_stage_does_not_name_the_model(
    staged: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        if staged:
            await pilot.press("f8")
        await ask(pilot, app, "What is in /home/ada/notes?")
        loaded = app.chat.figures.loaded
        assert loaded is not None
        app.chat.figures.loaded = replace(loaded, target=replace(loaded.target, name="/home/ada/secret-model"))
        await pilot.press("shift+f9")
        await until(pilot, lambda: list(tmp_path.glob("*.svg")), "for the card")

    drive(scenario)
    written = "".join(path.read_text(encoding="utf-8") for path in tmp_path.glob("helix-*"))
    assert ("secret-model" in written) != staged
    assert ("/home/ada/notes" in written) != staged
