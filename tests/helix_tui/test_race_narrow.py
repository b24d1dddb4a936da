"""A race in little room: what does not fit is said shorter, not cut; with much height the ratio grows."""

from __future__ import annotations

import pytest
from test_race_model import lane, measured

from helix_tui.race import Race
from helix_tui.render import race as render


@pytest.fixture
def race() -> Race:
    return measured(lane(20, seconds=0.02), lane(5, kept=3, seconds=0.02, first=0))


@pytest.mark.parametrize("width", [36, 44, 60, 100])
def test_a_lane_says_whole_words(race: Race, width: int) -> None:
    text = render.lane(race, "speculative", 20, 1, width, 7).plain
    rows = text.split("\n")
    assert "…" not in text
    assert ("measured" in rows[0]) == (width >= 42)
    assert rows[2].rstrip().endswith(("accepted", "a round"))
    assert rows[3].rstrip().endswith(("s", "█", "▀", "▄"))
    assert all(len(row) <= width for row in rows)


def test_the_method_is_said_as_long_as_there_is_room() -> None:
    said = [render.fair(width).plain for width in (100, 60, 40)]
    assert said == list(render.FAIR)


def test_a_win_is_said_whole_beside_the_ratio(race: Race) -> None:
    narrow = render.verdict(race, 66, 5).plain
    assert "…" not in narrow and "speculation won" in narrow
    assert "the draft was right" in render.verdict(race, 140, 5).plain


@pytest.mark.parametrize(("width", "height", "rows"), [(140, 5, 3), (140, 8, 6), (76, 8, 6), (58, 8, 6), (58, 4, 0)])
def test_the_ratio_is_as_large_as_the_room(race: Race, width: int, height: int, rows: int) -> None:
    text = render.verdict(race, width, height).plain.split("\n")
    assert sum(any(mark in line for mark in "█▀▄") for line in text) == rows
    assert any("speculation won" in line for line in text)
