"""What a replay tells: by a clock that the test moves, sought, held and stepped."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from waiting import Clock
from waiting import until as wait

from engine import BadRecording
from engine.events import Cycle, Finished, Loaded, Loading
from helix_tui.figures import Figures
from helix_tui.messages import ReplayEnded, Rewound
from helix_tui.replay import LOOP_PAUSE, SPEEDS, ReplaySource


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


def test_what_is_no_recording_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadRecording):
        ReplaySource(tmp_path / "nothing.jsonl")
    with pytest.raises(ValueError):
        ReplaySource(tmp_path / "nothing.jsonl", speed=0)
