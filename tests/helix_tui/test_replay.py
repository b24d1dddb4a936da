"""A recording plays through the same app, held and restarted by keys, with no model and no torch."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import time
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from driving import drive, foot, questions, replies, screen_text, until
from making import cycle, finished, loaded, started
from scripted import STORY, ScriptedEngine
from textual.pilot import Pilot

from engine import BadRecording, Recorder, Request, Speculation
from engine.events import Cycle, Finished, Loaded, Loading
from helix_tui.app import HelixApp
from helix_tui.figures import Figures
from helix_tui.messages import ReplayEnded, Rewound
from helix_tui.replay import LOOP_PAUSE, SPEEDS, ReplaySource


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
        await until(pilot, lambda: "REPLAY of halting.jsonl" in screen_text(app))
        assert figures.speculating.cycles == 4, "what is due in a minute has come at once"

    drive(scenario, source=ReplaySource(halting), ready=False)


class Clock:
    """Moved by the test; a source that waits for it looks again when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Played:
    """A source that plays into a list, by a clock that the test moves."""

    def __init__(self, path: Path, **options: Any) -> None:
        self.clock = Clock()
        self.notes: list[Any] = []
        self.source = ReplaySource(path, clock=self.clock, **options)

    def to(self, position: float) -> list[Any]:
        """Everything that is said until then, from the start."""
        self.clock.now += position - self.source.position
        while (note := self._due()) is not None:
            self.notes.append(note)
        return self.notes

    def _due(self) -> Any:
        """The next note, unless the source would wait for it."""
        source = self.source
        waits: list[float | None] = []

        def no_waiting(seconds: float | None = None) -> bool:
            waits.append(seconds)
            source._closed = True
            return False

        source._changed.wait = no_waiting  # type: ignore[method-assign, assignment]
        note = source._next()
        source._closed = False
        return None if waits else note


def figures_of(notes: Iterable[Any]) -> Figures:
    """The figures as the app's dispatcher folds them."""
    figures = Figures()
    for note in notes:
        if isinstance(note, Rewound):
            figures.reset()
            for event in note.events:
                figures.feed(event)
        elif not isinstance(note, ReplayEnded):
            figures.feed(note)
    return figures


def state(thing: Any) -> Any:
    """Everything in it, all the way down, but the count of changes."""
    if isinstance(thing, (list, tuple, deque)):
        return [state(value) for value in thing]
    if isinstance(thing, dict):
        return {key: state(value) for key, value in thing.items()}
    if type(thing).__module__.startswith("helix_tui."):
        names = [*getattr(thing, "__dict__", {}), *getattr(thing, "__slots__", ())]
        return {name: state(getattr(thing, name)) for name in names if name != "version"}
    return thing


@pytest.mark.parametrize("start", [0.0, 1.05, 3.0, 99.0])
@pytest.mark.parametrize("share", [0.0, 0.2, 0.55, 0.8, 1.0])
def test_seeking_shows_exactly_what_playing_shows(recording: Path, start: float, share: float) -> None:
    there = Played(recording).source.timeline.end * share
    played = Played(recording)
    played.to(there)
    sought = Played(recording)
    sought.to(start)
    sought.source.seek(there)
    sought.to(there)
    assert state(figures_of(sought.notes)) == state(figures_of(played.notes))
    if share > 0.5:
        assert figures_of(played.notes).speculating.cycles > 5


def test_a_seek_is_told_in_one_note_and_playing_goes_on_from_there(recording: Path) -> None:
    played = Played(recording)
    played.to(2.0)
    told = len(played.notes)
    played.source.seek(1.2)
    (jump,) = played.to(1.2)[told:]
    assert jump == Rewound(tuple(played.source.timeline.events[: played.source.timeline.count(1.2)]))
    assert isinstance(jump.events[1], Loaded)
    played.to(99.0)
    rest = [note for note in played.notes[told + 1 :] if not isinstance(note, ReplayEnded)]
    assert [*jump.events, *rest] == played.source.timeline.events


def test_a_held_replay_waits_what_was_left_when_it_goes_on(halting: Path) -> None:
    played = Played(halting)
    played.to(30.0)
    before = len(played.notes)
    played.source.hold()
    played.clock.now += 1000
    assert len(played.to(played.source.position)) == before
    played.source.go_on()
    assert len(played.to(59.0)) == before
    assert len(played.to(61.0)) > before


def test_nothing_comes_while_a_replay_is_held(recording: Path) -> None:
    played = Played(recording)
    played.source.hold()
    played.clock.now += 1000
    assert [type(note) for note in played.to(played.source.position)] == [Loading]


def test_a_held_replay_shows_where_it_was_moved_to(recording: Path) -> None:
    played = Played(recording)
    played.source.hold()
    played.source.skip(1.3)
    assert played.source.position == pytest.approx(1.3)
    assert isinstance(played.to(1.3)[-1], Rewound)
    assert played.source.held


def test_a_held_replay_goes_on_round_by_round(recording: Path) -> None:
    def rounds() -> int:
        return sum(isinstance(note, Cycle) for note in played.notes)

    played = Played(recording)
    played.source.step_once()
    assert played.source.position == 0, "only what is held can be stepped"
    played.source.hold()
    for number in (1, 2, 3):
        played.source.step_once()
        played.to(played.source.position)
        assert rounds() == number and isinstance(played.notes[-1], Cycle)
    total = sum(isinstance(event, Cycle) for event in played.source.timeline.events)
    for _ in range(total - 3):
        played.source.step_once()
    played.to(played.source.position)
    assert rounds() == total
    assert isinstance(played.notes[-1], (Finished, ReplayEnded)), "the last round brings the end of its reply"


def test_speed_goes_in_steps_and_stays_in_range(recording: Path) -> None:
    source = ReplaySource(recording, speed=3)
    assert [source.change_speed(1) for _ in range(3)] == [4, 8, 8]
    assert [source.change_speed(-1) for _ in range(6)] == [4, 2, 1, 0.5, 0.25, 0.25]
    assert source.change_speed(1) == SPEEDS[1]


def test_seeking_stays_on_the_recording(recording: Path) -> None:
    source = ReplaySource(recording, clock=Clock())
    source.skip(-5)
    assert source.position == 0
    source.skip(500)
    assert source.position == source.timeline.end


def test_a_loop_begins_again_after_a_pause(recording: Path) -> None:
    played = Played(recording, loop=True)
    end = played.source.timeline.end
    assert isinstance(played.to(end)[-1], ReplayEnded)
    played.clock.now += LOOP_PAUSE - 0.1
    assert isinstance(played.to(played.source.position)[-1], ReplayEnded)
    played.clock.now += 0.2
    assert isinstance(played.to(played.source.position)[-1], Rewound)
    assert played.source.position < 1


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


def test_keys_move_a_held_replay_and_the_line_says_where(halting: Path) -> None:
    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        figures = app.chat.figures
        await until(pilot, lambda: figures.speculating.cycles == 4)
        await pilot.press("space", "shift+right", "minus")
        await until(pilot, lambda: "reply 1 of 1  0.5×" in screen_text(app))
        assert "‖ 0:05 / 1:03" in screen_text(app)
        await pilot.press("right")
        await until(pilot, lambda: figures.speculating.cycles == 7 and not app.chat.answering)
        assert [r.text for r in replies(app)] == ["abz" * 7]
        await pilot.press("left")
        await until(pilot, lambda: figures.speculating.cycles == 0 and app.chat.answering)
        assert [r.text for r in replies(app)] == [""]
        await pilot.press("plus", "home")
        await until(pilot, lambda: "▶" in screen_text(app) and figures.speculating.cycles == 4)
        assert [r.text for r in replies(app)] == ["abz" * 4]

    drive(scenario, source=ReplaySource(halting), ready=False)


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
