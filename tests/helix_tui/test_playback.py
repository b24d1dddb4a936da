"""A recording's time line and the place on it, by a clock that the test sets."""

from __future__ import annotations

import pytest
from making import cycle, finished, loaded, started

from helix_tui.playback import LONGEST_WAIT, Playhead, Timeline

CHAT = [
    (0.0, loaded()), (60.0, started()), (60.5, cycle("a")), (65.5, cycle("a")), (66.0, finished()),
    (166.0, started()), (166.1, cycle("a")), (167.0, finished()),
]  # fmt: skip


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_pauses_between_replies_are_shortened_and_those_within_are_not() -> None:
    line = Timeline(CHAT)
    first = LONGEST_WAIT
    second = first + 6 + LONGEST_WAIT
    assert line.times == pytest.approx(
        [0, first, first + 0.5, first + 5.5, first + 6, second, second + 0.1, second + 1]
    )
    assert line.marks == pytest.approx([first, second])
    assert line.end == line.times[-1]


def test_a_recording_without_events_has_no_length() -> None:
    line = Timeline([])
    assert (line.end, line.count(5.0), line.reply(0.0, 1), line.reply(0.0, -1)) == (0.0, 0, 0.0, 0.0)


def test_what_has_come_by_a_time() -> None:
    line = Timeline(CHAT)
    assert [line.count(at) for at in (0.0, 0.9, 1.0, 6.5, line.end)] == [1, 1, 2, 4, 8]


def test_replies_are_gone_through_in_both_directions() -> None:
    line = Timeline(CHAT)
    first, second = line.marks
    assert line.reply(0.0, 1) == first
    assert line.reply(first, 1) == second
    assert line.reply(second, 1) == line.end
    # In the middle of a reply its own start comes first; at its start, the reply before.
    assert line.reply(first + 3, -1) == first
    assert line.reply(second + 0.5, -1) == first
    assert line.reply(first, -1) == 0.0


def test_the_place_moves_with_the_clock_times_the_speed() -> None:
    clock = Clock()
    head = Playhead(2.0, clock)
    clock.now += 1.5
    assert head.position == pytest.approx(3.0)
    assert head.until(4.0) == pytest.approx(0.5)
    head.set_speed(0.5)
    assert head.position == pytest.approx(3.0)
    assert head.until(4.0) == pytest.approx(2.0)


def test_a_hold_keeps_what_was_left_to_wait() -> None:
    clock = Clock()
    head = Playhead(clock=clock)
    clock.now += 2.0
    head.hold(True)
    clock.now += 500.0
    assert head.until(10.0) is None
    assert head.until(2.0) == 0.0
    head.hold(False)
    assert head.until(10.0) == pytest.approx(8.0)


def test_a_held_place_can_be_moved_and_stays_held() -> None:
    clock = Clock()
    head = Playhead(clock=clock)
    head.hold(True)
    head.seek(7.0)
    clock.now += 3.0
    assert head.held and head.position == 7.0
