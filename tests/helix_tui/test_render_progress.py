"""The line of a replay: exactly as wide as asked for, and marks where replies begin."""

from __future__ import annotations

import pytest

from helix_tui.render.progress import clock, line, progress


def test_the_line_says_where_it_is() -> None:
    text = progress(12.4, 45.0, [1.0, 20.0, 40.0], 0.5, 70, held=False).plain
    assert text.startswith("▶ 0:12 / 0:45  ")
    assert text.endswith("  reply 1 of 3  0.5×")
    assert progress(12.4, 45.0, [1.0], 1.0, 70, held=True).plain.startswith("‖ 0:12")


@pytest.mark.parametrize("width", [90, 60, 40, 30, 20, 12, 5, 0])
def test_it_keeps_to_its_width(width: int) -> None:
    for marks in ([], [0.5, 3.0], [i / 10 for i in range(100)]):
        content = progress(3.0, 10.0, marks, 0.25, width, held=False)
        assert content.cell_length <= width
        assert width < 40 or content.cell_length == width


def test_marks_stand_where_replies_begin() -> None:
    assert line(5.0, 10.0, [1.0, 8.0], 20).plain == "━━┿━━━━━━━●─────┼───"
    assert line(0.0, 10.0, [], 5).plain == "●────"
    assert line(10.0, 10.0, [], 5).plain == "━━━━●"
    assert line(0.0, 0.0, [0.0], 5).plain == "●────"


def test_times_are_minutes_and_seconds() -> None:
    assert [clock(s) for s in (0, 59.99, 60, 754)] == ["0:00", "0:59", "1:00", "12:34"]
