"""A recording can begin at any moment, and plays from there."""

from __future__ import annotations

import threading
from datetime import datetime
from pathlib import Path

import pytest
from driving import ask, cards, drive, replies, screen_text, send, until
from making import cycle, finished, loaded, started
from scripted import STORY, ScriptedEngine
from textual.pilot import Pilot

from engine import BadRecording, Event, read_recording
from engine.events import Failed, Loaded, Started
from helix_tui import tape as tapes
from helix_tui.app import HelixApp
from helix_tui.replay import ReplaySource
from helix_tui.tape import Tape, folder, new_file

NOON = datetime(2026, 5, 4, 12, 30, 5)


def kinds(path: Path) -> list[str]:
    return [event.kind for _, event in read_recording(path)]


def test_a_tape_started_between_replies_begins_with_the_pair(tmp_path: Path) -> None:
    tape = Tape()
    for event in (loaded(), started(), cycle("a"), finished()):
        tape.write(event)
    tape.start(tmp_path / "r.jsonl")
    tape.write(started())
    assert tape.running and tape.stop() == tmp_path / "r.jsonl" and not tape.running
    tape.write(cycle("b"))
    assert kinds(tmp_path / "r.jsonl") == ["loaded", "started"]


def test_a_tape_started_in_a_reply_has_all_of_it(tmp_path: Path) -> None:
    tape = Tape()
    events: list[Event] = [loaded(), started(), cycle("a"), cycle("b"), finished()]
    for event in events[:3]:
        tape.write(event)
    tape.start(tmp_path / "r.jsonl")
    for event in events[3:]:
        tape.write(event)
    tape.stop()
    assert [event for _, event in read_recording(tmp_path / "r.jsonl")] == events


@pytest.mark.parametrize("end", [finished(), Failed(1, "OutOfMemory", "No.")])
def test_replies_that_are_over_are_not_kept(end: Event) -> None:
    tape = Tape()
    for event in (loaded(), started(), cycle("a"), end, cycle("late")):
        tape.write(event)
    assert tape._story == []


def test_nothing_to_stop_is_nothing(tmp_path: Path) -> None:
    assert Tape().stop() is None


def test_files_are_named_by_date_and_never_written_over() -> None:
    first = new_file(NOON)
    assert first == folder() / "2026-05-04-123005.jsonl"
    first.touch()
    assert new_file(NOON).name == "2026-05-04-123005-2.jsonl"


def test_a_folder_that_cannot_be_made_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr(tapes, "folder", lambda: tmp_path / "file" / "recordings")
    with pytest.raises(BadRecording, match="--record FILE"):
        new_file(NOON)


@pytest.mark.parametrize("key", ["o", "ctrl+o"])
def test_a_key_records_from_the_middle_of_a_reply_and_it_can_be_played(key: str) -> None:
    engine = ScriptedEngine()
    engine.gate = threading.Semaphore(3)

    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        assert "REC" not in screen_text(app)
        await send(pilot, app, "Tell me a story")
        await until(pilot, lambda: app.chat.figures.speculating.cycles == 3)
        if key == "o":
            app.chat.transcript.focus()
            await pilot.pause()
        await pilot.press(key)
        await until(pilot, lambda: "● REC" in screen_text(app))
        engine.gate = None
        await until(pilot, lambda: not app.chat.answering)
        await pilot.press(key)
        await until(pilot, lambda: "REC" not in screen_text(app))
        assert any("helix-chat replay" in note.message for note in app._notifications)

    drive(scenario, engine)
    (file,) = folder().iterdir()
    events = [event for _, event in read_recording(file)]
    assert isinstance(events[0], Loaded) and isinstance(events[1], Started)

    async def watch(pilot: Pilot[None], app: HelixApp) -> None:
        await until(pilot, lambda: replies(app) and not app.chat.answering)
        assert replies(app)[0].text == STORY

    drive(watch, source=ReplaySource(file, speed=1000), ready=False)


def test_a_recording_that_cannot_begin_is_a_card(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr(tapes, "folder", lambda: tmp_path / "file")

    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        await pilot.press("ctrl+o")
        await until(pilot, lambda: cards(app))
        assert cards(app)[0].startswith("Nothing is recorded\n")
        assert "REC" not in screen_text(app)

    drive(scenario)


def test_the_mark_goes_when_writing_fails(tmp_path: Path) -> None:
    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        await until(pilot, lambda: "● REC" in screen_text(app))
        recorder = app.chat.bridge.tape._recorder
        assert recorder is not None
        recorder.close()
        await ask(pilot, app, "hello")
        await until(pilot, lambda: "REC" not in screen_text(app))
        assert "The recording has ended" in cards(app)[0]
        assert replies(app)[0].text == STORY

    drive(scenario, record=tmp_path / "r.jsonl")
