"""A recording plays through the same app, held and restarted by keys, with no model and no torch."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from driving import drive, foot, questions, replies, screen_text, until
from making import cycle, finished, loaded, started
from scripted import STORY, ScriptedEngine
from textual.pilot import Pilot

from engine import BadRecording, Recorder, Request, Speculation
from engine.events import Loading
from helix_tui.app import HelixApp
from helix_tui.messages import ReplayEnded
from helix_tui.replay import LONGEST_WAIT, ReplaySource, timeline


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """A chat of one reply, a tenth of a second between events."""
    engine, path, now = ScriptedEngine(), tmp_path / "chat.jsonl", [0.0]

    def clock() -> float:
        now[0] += 0.1
        return now[0]

    with Recorder(path, clock) as recorder:
        recorder.write(Loading("target", 1, 2))
        recorder.write(engine.loaded)
        engine.submit(
            Request(messages=[{"role": "user", "content": "Tell me a story"}], speculation=Speculation(depth=3))
        )
        while engine.busy:
            for event in engine.step():
                recorder.write(event)
    return path


def test_waits_between_replies_are_shortened() -> None:
    events = [
        (0.0, loaded()), (60.0, started()), (60.5, cycle("a")), (65.5, cycle("a")), (66.0, finished()),
        (166.0, started()), (166.1, cycle("a")),
    ]  # fmt: skip
    waits = [wait for wait, _ in timeline(events, 1.0)]
    assert waits == pytest.approx([0, LONGEST_WAIT, 0.5, 5, 0.5, LONGEST_WAIT, 0.1])
    assert [w for w, _ in timeline(events, 2.0)] == pytest.approx([w / 2 for w in waits])
    assert timeline([]) == []


def test_a_replay_shows_the_chat_and_takes_no_questions(recording: Path) -> None:
    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        await until(pilot, lambda: replies(app) and not app.chat.answering)
        assert replies(app)[0].text == STORY
        assert questions(app) == ["Tell me a story"]
        assert "acceptance" not in foot(replies(app)[0]) and "accepted" in foot(replies(app)[0])
        assert "REPLAY of chat.jsonl" in screen_text(app)
        assert app.chat.view.depth == 3
        await until(pilot, lambda: "end of the recording" in screen_text(app))
        assert app.chat.prompt.disabled
        await pilot.press("h", "i", "ctrl+up", "ctrl+b", "ctrl+n", "escape", "enter")
        assert app.chat.prompt.text == ""
        assert app.chat.view.depth == 3
        assert len(replies(app)) == 1

    drive(scenario, source=ReplaySource(recording, speed=1000), ready=False)


@pytest.fixture
def halting(tmp_path: Path) -> Path:
    """A reply whose fifth cycle comes a minute after the fourth."""
    path = tmp_path / "halting.jsonl"
    times = iter([0.0, 0.1, *(0.2 + i / 100 for i in range(4)), *(60.0 + i for i in range(4))])
    with Recorder(path, lambda: next(times)) as recorder:
        for event in (loaded(), started(), *(cycle("ab", kept=2, index=i) for i in range(7)), finished()):
            recorder.write(event)
    return path


def test_space_holds_a_replay_and_goes_on(halting: Path) -> None:
    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        figures = app.chat.figures
        await until(pilot, lambda: figures.speculating.cycles == 4)
        await pilot.press("space")
        await until(pilot, lambda: "PAUSED of halting.jsonl" in screen_text(app))
        assert figures.speculating.cycles == 4
        await pilot.press("space")
        await until(pilot, lambda: figures.speculating.cycles == 5)
        await until(pilot, lambda: "REPLAY of halting.jsonl" in screen_text(app))

    drive(scenario, source=ReplaySource(halting), ready=False)


def test_nothing_comes_while_a_replay_is_held(recording: Path) -> None:
    notes: list[object] = []
    source = ReplaySource(recording, speed=10)
    source.toggle_pause()
    source.start(lambda note: notes.append(note) is None)
    time.sleep(0.3)
    assert notes == []
    source.toggle_pause()
    wait(lambda: notes)
    source.close()


def test_a_replay_that_has_ended_can_be_closed(recording: Path) -> None:
    notes: list[object] = []
    source = ReplaySource(recording, speed=1000)
    source.start(lambda note: notes.append(note) is None)
    wait(lambda: notes and isinstance(notes[-1], ReplayEnded))
    source.close()
    wait(lambda: not source.alive)


def wait(condition: Callable[[], object]) -> None:
    give_up = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < give_up, "waited in vain"
        time.sleep(0.01)


def test_r_plays_it_again(recording: Path) -> None:
    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        await until(pilot, lambda: "end of the recording" in screen_text(app))
        first = replies(app)[0]
        await pilot.press("r")
        await until(pilot, lambda: first not in replies(app))
        await until(pilot, lambda: "end of the recording" in screen_text(app))
        assert [r.text for r in replies(app)] == [STORY]

    drive(scenario, source=ReplaySource(recording, speed=1000), ready=False)


def test_r_restarts_a_held_replay_in_mid_reply(halting: Path) -> None:
    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        figures = app.chat.figures
        await until(pilot, lambda: figures.speculating.cycles == 4)
        first = replies(app)[0]
        await pilot.press("space", "r")
        await until(pilot, lambda: first not in replies(app) and figures.speculating.cycles == 4)
        assert [r.text for r in replies(app)] == ["abz" * 4]
        assert not app.chat.view.held

    drive(scenario, source=ReplaySource(halting), ready=False)


def test_quitting_a_replay_stops_its_thread(halting: Path) -> None:
    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        await until(pilot, lambda: replies(app))
        await pilot.press("q")
        await until(pilot, lambda: not app.is_running)

    app = drive(scenario, source=ReplaySource(halting), ready=False)
    assert not app.source.alive


def test_what_is_no_recording_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadRecording):
        ReplaySource(tmp_path / "nothing.jsonl")
    with pytest.raises(ValueError):
        ReplaySource(tmp_path / "nothing.jsonl", speed=0)


def test_replaying_imports_neither_torch_nor_transformers(recording: Path) -> None:
    code = f"""
        import asyncio, sys
        from helix_tui.app import HelixApp
        from helix_tui.sources import LiveSource, ReplaySource

        async def main():
            app = HelixApp(ReplaySource({str(recording)!r}, speed=1000))
            async with app.run_test(size=(100, 30)) as pilot:
                for _ in range(1000):
                    if app.chat.figures.speculating.cycles and not app.chat.answering:
                        break
                    await pilot.pause(0.01)
                assert app.chat.figures.speculating.cycles > 5, "nothing was played"

        asyncio.run(main())
        print([m for m in ("torch", "transformers", "safetensors", "numpy") if m in sys.modules])
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr
