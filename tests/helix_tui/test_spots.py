"""Where tokens stand on the lines of a reply."""

from __future__ import annotations

import pytest

from helix_tui.render.flow import Flow
from helix_tui.render.spots import above, begins, marks, spots

TOKENS = ["Once", " upon", " a", " time", ",", "\n\n", "", "in", " 漢", "字", " e", "\u0301", "nd", "\n"]


def flow(width: int) -> Flow:
    made = Flow(width)
    for text in TOKENS:
        made.extend([(text, "draft")])
    return made


@pytest.mark.parametrize("width", [1, 3, 5, 8, 13, 80])
def test_every_line_begins_where_the_text_says(width: int) -> None:
    made = flow(width)
    for line, begin in zip(made.lines, begins(made.text, made.lines), strict=True):
        assert made.text[begin : begin + len(line.text)] == line.text


@pytest.mark.parametrize("width", [1, 3, 5, 8, 13, 80])
def test_every_token_is_found_on_its_lines(width: int) -> None:
    made = flow(width)
    found = spots(made.text, made.lines, [len(text) for text in TOKENS])
    for text, spot in zip(TOKENS, found, strict=True):
        assert made.text[spot.start : spot.stop] == text
        marked = marks(made.text, made.lines, spot.start, spot.stop)
        said = "".join(made.lines[line].text[a:b] for line, (a, b) in marked.items())
        if text.strip("\n"):
            assert said == text
        else:
            ((a, b),) = marked.values()
            assert b == a + 1, "what cannot be seen is one cell"


def test_cells_before_a_token_count_wide_characters() -> None:
    made = flow(80)
    found = spots(made.text, made.lines, [len(text) for text in TOKENS])
    assert [(s.line, s.cell) for s in found] == [
        (0, 0), (0, 5), (0, 10), (0, 12), (0, 16), (0, 17), (2, 0), (2, 0), (2, 3), (2, 5), (2, 8), (2, 9), (2, 9),
        (2, 11),
    ]  # fmt: skip


def test_up_and_down_keep_to_the_column() -> None:
    made = Flow(10)
    words = ["aaa", " bbb", " cc", " ddd", " eee", " f", " ggg"]
    made.extend([(word, "plain") for word in words])
    assert [line.text for line in made.lines] == ["aaa bbb cc ", "ddd eee f ", "ggg"]
    found = spots(made.text, made.lines, [len(word) for word in words])
    assert [spot.line for spot in found] == [0, 0, 0, 1, 1, 1, 2]
    assert above(found, 1, 1) == 4
    assert above(found, 4, -1) == 1
    assert above(found, 2, -1) == 0
    assert above(found, 5, 1) == 6
