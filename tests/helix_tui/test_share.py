"""The share card: what stands on it, that nothing breaks out of it, and where it is written."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path
from xml.etree import ElementTree

import pytest
from driving import ask, drive, screen_text, until
from making import loaded, model
from scripted import STORY, ScriptedEngine
from textual.pilot import Pilot

from helix_tui import share
from helix_tui.app import HelixApp
from helix_tui.render.share import markdown, svg
from helix_tui.screens.race import RaceScreen
from helix_tui.share import Facts

WHEN = datetime(2026, 3, 5, 12, 30)
FACTS = Facts(
    loaded(),
    WHEN,
    ("helix-chat 9", "torch 1"),
    4,
    142.3,
    0.9,
    4.59,
    baseline=79.0,
    ratio=1.8,
    identical=True,
    tokens=90,
)
NASTY = "a <b>&\"' \x1b[31m \uffff | ]]> \\ <script>alert(1)</script>"


def words(picture: str) -> list[str]:
    """All text of a picture that is well-formed XML."""
    return [element.text or "" for element in ElementTree.fromstring(picture).iter("{http://www.w3.org/2000/svg}text")]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    place = tmp_path / "here"
    place.mkdir()
    monkeypatch.chdir(place)
    return place


def test_a_card_has_everything_that_was_measured() -> None:
    said = words(svg(FACTS))
    for expected in (
        "1.80×",
        "79.0",
        "142",
        "90 %",
        "4.59",
        "4",
        "5 March 2026",
        "a machine · float32",
        "helix-chat 9 · torch 1",
        "model-a 24.4M ⇠ draft 3.1M",
        "✓ identical output, 90 tokens compared",
    ):
        assert expected in said  # fmt: skip
    page = markdown(FACTS)
    assert page.startswith("# 1.80× as fast with speculative decoding\n")
    assert "| Output | identical with and without speculation (90 tokens) |" in page
    assert "| Decoding | 142 tokens/s |" in page and "| Date | 2026-03-05 12:30 |" in page


def test_a_loss_is_on_the_card_too() -> None:
    lost = replace(FACTS, ratio=0.84, identical=False)
    assert "of baseline: speculation lost here" in words(svg(lost))
    assert "✓" not in svg(lost)
    assert markdown(lost).startswith("# speculation lost here: 0.84× baseline")
    assert "not identical with and without speculation" in markdown(lost)


def test_what_was_not_measured_is_left_out() -> None:
    bare = Facts(loaded(draft=False), WHEN, (), 0, 20.0, None, None)
    assert "20.0" in words(svg(bare)) and "baseline" not in words(svg(bare))
    page = markdown(bare)
    assert not any(name in page for name in ("Ratio", "Acceptance", "Output", "Baseline |"))
    assert "| Depth | 0 (baseline) |" in page


def test_nothing_breaks_out_of_it() -> None:
    named = loaded(target=model(300, "/home/somebody/models/" + NASTY), device_name=NASTY)
    facts = replace(FACTS, loaded=named, question=NASTY, reply=NASTY)
    said = words(svg(facts))
    assert any(line.startswith("a <b>") for line in said)
    assert "somebody" not in svg(facts) + markdown(facts)
    rows = [line for line in markdown(facts).splitlines() if line.startswith("| ")]
    assert all(row.replace("\\\\", "").replace("\\|", "").count("|") == 3 for row in rows)
    assert "\x1b" not in svg(facts) + markdown(facts)


def test_it_goes_where_it_can_be_written(here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert share.folder() == here
    monkeypatch.setattr(share.os, "access", lambda path, mode: Path(path) != here)
    monkeypatch.setattr(share, "user_pictures_path", lambda: tmp_path / "none")
    monkeypatch.setattr(share, "user_documents_path", lambda: tmp_path)
    assert share.folder() == tmp_path
    monkeypatch.setattr(share, "user_documents_path", lambda: tmp_path / "none")
    with pytest.raises(OSError, match="can be written"):
        share.folder()


def test_versions_name_what_is_installed() -> None:
    assert any(part.startswith("helix-chat ") for part in share.versions())
    assert share.versions()[-1].startswith("Python ")


def test_from_the_chat_without_a_word_of_it_unless_asked(here: Path) -> None:
    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        await pilot.press("f9")
        await pilot.pause()
        assert list(here.iterdir()) == []
        await ask(pilot, app, "Tell me a secret")
        await pilot.press("f9")
        await until(pilot, lambda: len(list(here.iterdir())) == 2)
        both = "".join(path.read_text("utf-8") for path in here.iterdir())
        assert "secret" not in both and "Once upon" not in both
        assert "73 %" in both and "pocket-target" in both
        for path in here.iterdir():
            path.unlink()
        await pilot.press("escape", "Z")
        await until(pilot, lambda: len(list(here.iterdir())) == 2)
        assert all(
            "Tell me a secret" in text and "Once upon" in text
            for text in (p.read_text("utf-8") for p in here.iterdir())
        )

    drive(scenario, ScriptedEngine([STORY]))


def test_from_the_race_with_its_ratio(here: Path) -> None:
    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        await pilot.press("f5")
        await until(pilot, lambda: isinstance(app.screen, RaceScreen) and app.screen.measured)
        await pilot.press("z")
        await until(pilot, lambda: len(list(here.iterdir())) == 2)
        page = next(here.glob("*.md")).read_text("utf-8")
        assert "# 2.13× as fast" in page and "identical with and without speculation (90 tokens)" in page
        assert "speculative decoding?" not in page
        await pilot.press("escape")
        await ask(pilot, app, "Tell me a story")
        facts = share.of_chat(app.chat.figures, 4, WHEN, app.chat.race)
        assert facts is not None and facts.ratio == app.chat.race.ratio  # type: ignore[union-attr]

    drive(scenario, ScriptedEngine([STORY]))


def test_a_folder_that_cannot_be_written_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> Path:
        raise OSError("nowhere to write")

    monkeypatch.setattr(share, "folder", refuse)

    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        await ask(pilot, app, "Tell me a story")
        await pilot.press("f9")
        await until(pilot, lambda: any("nowhere to write" in n.message for n in app._notifications))

    drive(scenario, ScriptedEngine([STORY]))


def test_the_depth_is_that_of_the_reply_and_not_of_the_next_question(here: Path) -> None:
    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        app.chat.set_depth(3)
        await ask(pilot, app, "Tell me a story")
        await pilot.press("escape", "b", "z")
        await until(pilot, lambda: len(list(here.iterdir())) == 2)
        assert app.chat.view.depth == 0
        assert "| Depth | 3 |" in next(here.glob("*.md")).read_text("utf-8")

    drive(scenario, ScriptedEngine([STORY]))


def test_a_recording_gives_no_card_of_today(here: Path) -> None:
    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        await pilot.press("f4")
        await until(pilot, lambda: "REPLAY" in screen_text(app))
        assert app.screen.check_action("card", ()) is False
        await pilot.press("z", "Z", "f9")
        await pilot.pause()
        assert list(here.iterdir()) == []

    drive(scenario, ScriptedEngine([STORY]))
