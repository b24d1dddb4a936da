"""The speculation panel, its strip and its legend, from figures to text."""

from __future__ import annotations

import pytest
from making import cycle
from reading import lines, styled
from textual.content import Content

from helix_tui.figures import Speculating
from helix_tui.render import speculation
from helix_tui.render.origins import legend


def speculating(*cycles: object) -> Speculating:
    figures = Speculating()
    for one in cycles:
        figures.add(one)  # type: ignore[arg-type]
    return figures


ROUNDS = (cycle("abcd", "e", 4, index=0), cycle("fghi", "X", 2, index=1), cycle("jk", "Y", 0, index=2))


def test_rounds_are_rows_of_cells() -> None:
    content = speculation.panel(speculating(*ROUNDS), 4, 60, 20)
    rows = lines(content)
    assert rows[0].startswith("Speculation ─") and rows[0].endswith(" depth 4")
    assert rows[1].split() == ["1", "✓a", "✓b", "✓c", "✓d", "★e"]
    assert rows[2].split() == ["2", "✓f", "✓g", "✗h", "✗i", "→X"]
    assert rows[3].split() == ["3", "✗j", "✗k", "→Y"]
    # The target's own token has a column of its own, also behind a short round.
    assert rows[1].index("★e") == rows[2].index("→X") == rows[3].index("→Y")
    assert styled(content, "✓f") == "$accepted on $accepted-wash"
    assert styled(content, "✗h") == "strike $rejected on $rejected-wash"
    assert styled(content, "✗i") == "strike $faint on $rejected-wash"
    assert "underline" in styled(content, "→X") and "$corrected" in styled(content, "→X")
    assert "$bonus" in styled(content, "★e")
    assert "60 % accepted   3.00 tokens a round" in content.plain
    assert "3 rounds" in content.plain
    assert ["67", "%", "67", "%", "50", "%", "50", "%"] in [row.split() for row in rows]
    assert "✓ accepted  ✗ rejected  → corrected  ★ bonus  · plain" in content.plain


def test_the_last_rounds_stay_in_view() -> None:
    figures = speculating(*(cycle("ab", "c", 2, index=i) for i in range(30)))
    rows = lines(speculation.panel(figures, 2, 40, 10))
    assert len(rows) == 10
    numbers = [row.split()[0] for row in rows if "✓a" in row]
    assert numbers == [str(n) for n in range(25, 31)]


@pytest.mark.parametrize("width", [1, 5, 12, 20, 38, 58, 120])
@pytest.mark.parametrize("height", [1, 2, 5, 9, 14, 30])
@pytest.mark.parametrize("depth", [0, 1, 4, 16])
def test_the_speculation_panel_keeps_to_its_room(width: int, height: int, depth: int) -> None:
    figures = speculating(*(cycle("abcdefghijklmnop"[:depth], "z", depth // 2, index=i) for i in range(40)))
    rows = lines(speculation.panel(figures, depth, width, height))
    assert len(rows) <= height
    assert all(Content(row).cell_length <= width for row in rows)


def test_baseline_and_no_draft_are_said() -> None:
    assert lines(speculation.panel(Speculating(), 0, 40, 10))[0].endswith("baseline")
    assert "Baseline: the target will write every token itself." in speculation.panel(Speculating(), 0, 60, 10).plain
    assert "the draft guesses 4," in speculation.panel(Speculating(), 4, 80, 10).plain
    assert "no draft model" in speculation.panel(Speculating(), 0, 60, 10, has_draft=False).plain
    assert "guesses" not in speculation.panel(Speculating(), 4, 60, 10, loaded=False).plain
    plain = speculation.panel(speculating(cycle("", "x", index=0)), 0, 40, 10)
    assert "·x" in plain.plain and "– accepted" in plain.plain


def test_adaptive_depth_shows_the_choice_and_why() -> None:
    figures = speculating(cycle("ab", "c", 2, reason="two pay best"))
    content = speculation.panel(figures, "auto", 60, 20)
    assert "adaptive: depth 2" in content.plain
    assert "two pay best" in content.plain


def test_the_speculation_strip() -> None:
    line = speculation.strip(speculating(*ROUNDS), 4, 70)
    assert line.cell_length == 70
    assert line.plain.startswith("depth 4  ✓✓✓✓★ ✓✓✗✗→ ✗✗→ ")
    assert line.plain.endswith("60 % kept  3.00/round")
    assert speculation.strip(Speculating(), 0, 30).plain == "baseline"
    assert speculation.strip(speculating(*ROUNDS), 4, 12).cell_length <= 12


def test_the_legend_shortens() -> None:
    assert legend(60).plain == "✓ accepted  ✗ rejected  → corrected  ★ bonus  · plain"
    assert legend(38).plain == "✓ kept ✗ cut → fixed ★ bonus · plain"
    assert legend(12).plain == "✓ ✗ → ★ ·"
