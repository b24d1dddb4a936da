"""The best depth: its arithmetic, and that it is only said when there is enough to go by."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from making import cycle, loaded, started

from helix_tui.best_depth import ENOUGH_ROUNDS, Evidence, estimate, expected_tokens, line, tokens_per_second
from helix_tui.figures import Figures
from helix_tui.render import speculation


def one(drafted: int, kept: int, draft: float = 0.001, check: float = 0.01, rest: float = 0.0, **changes: Any) -> Any:
    """A round that drafted and kept so many, with seconds a drafted token, of the check, and of all else."""
    made = cycle("abcdefghijklmnop"[:drafted], "z", kept)
    spent = draft * drafted
    return replace(made, draft_seconds=spent, verify_seconds=check, seconds=spent + check + rest, **changes)


@pytest.mark.parametrize("a", [0.0, 0.3, 0.8])
def test_equal_acceptance_gives_the_papers_formula(a: float) -> None:
    for k, tokens in enumerate(expected_tokens([a] * 8)):
        assert tokens == pytest.approx((1 - a ** (k + 1)) / (1 - a))


def test_expected_tokens_by_position() -> None:
    assert expected_tokens([]) == [1]
    assert expected_tokens([1.0, 1.0]) == [1, 2, 3]
    assert expected_tokens([0.5, 0.5, 0.0]) == [1, 1.5, 1.75, 1.75]


def test_tokens_a_second() -> None:
    speeds = tokens_per_second([0.5, 0.5], 0.01, lambda rows: 0.02 * rows, 0.03)
    assert speeds == pytest.approx([1 / 0.05, 1.5 / 0.08, 1.75 / 0.11])


def test_the_best_depth_of_the_notes() -> None:
    """Acceptance and costs of a drafted token, and the best depth with its gain, where rows cost nothing."""
    for a, c, depth, gain in ((0.72, 0.1, 4, 2.06), (0.8, 0.05, 8, 3.09), (0.9, 0.2, 7, 2.37)):
        speeds = tokens_per_second([a] * 16, c, lambda rows: 1.0)
        best = speeds.index(max(speeds))
        assert (best, round(speeds[best] / speeds[0], 2)) == (depth, gain)


def test_the_cost_of_rows_is_a_line_that_never_falls() -> None:
    assert line([(1, 2.0, 1), (3, 4.0, 1)])(5) == pytest.approx(6)
    assert line([(1, 4.0, 1), (3, 2.0, 1)])(9) == line([(1, 4.0, 1), (3, 2.0, 1)])(1) == 3
    assert line([(5, 2.0, 9)])(1) == 2


def test_too_few_rounds_say_nothing() -> None:
    assert estimate([]) is None
    assert estimate([one(4, 4)] * (ENOUGH_ROUNDS - 1)) is None
    assert estimate([one(0, 0)] * 100) is None
    assert estimate([one(4, 4)] * ENOUGH_ROUNDS) is not None


def test_what_is_always_kept_should_be_drafted_and_what_never_is_should_not() -> None:
    good = estimate([one(4, 4)] * 30)
    assert good is not None and (good.depth, good.deepest, good.rounds) == (4, 4, 30)
    assert good.gain == pytest.approx(5 / 0.014 * 0.01)
    bad = estimate([one(4, 0)] * 30)
    assert bad is not None and (bad.depth, bad.gain) == (0, 1.0)


def test_a_depth_between() -> None:
    """Two are always kept and the third never is; dear drafting makes the third not worth its time."""
    found = estimate([one(4, 2, draft=0.004)] * 30)
    assert found is not None and found.depth == 2
    assert found.deepest == 3, "the fourth was never judged"


def test_rounds_that_cost_more_for_other_reasons_do_not_count() -> None:
    evidence = Evidence()
    for changes in ({"prompt_rows": 9}, {"batch": 3}, {"check": 0.0}):
        for _ in range(100):
            evidence.add(one(4, 4, **changes))
    assert evidence.estimate is None
    for _ in range(ENOUGH_ROUNDS):
        evidence.add(one(4, 4))
    assert evidence.estimate is not None and evidence.estimate.rounds == ENOUGH_ROUNDS


def told(*rounds: Any) -> Figures:
    figures = Figures()
    for event in (loaded(), started(), *rounds):
        figures.feed(event)
    return figures


def test_the_panel_marks_it_as_an_estimate() -> None:
    figures = told(*[one(4, 2, draft=0.004)] * 30)
    assert figures.evidence.estimate is not None
    content = speculation.panel(figures.speculating, 4, 70, 20, best=figures.evidence.estimate)
    assert "best depth ≈ 2, 1.67× plain (estimate, 30 rounds)" in content.plain
    bars = content.plain.split("\n")
    marked = next(row for row in bars if "▲" in row)
    assert marked.index("▲") > next(row for row in bars if row.startswith("kept")).index("━")
    assert "best depth" not in speculation.panel(figures.speculating, 4, 70, 20).plain
    deepest = told(*[one(4, 4)] * 30).evidence.estimate
    assert "best depth ≈ 4 or more" in speculation.panel(figures.speculating, 4, 70, 20, best=deepest).plain
    none = told(*[one(4, 0)] * 30).evidence.estimate
    assert "best depth ≈ 0: drafting does not pay (estimate, 30 rounds)" in (
        speculation.panel(figures.speculating, 4, 70, 20, best=none).plain
    )
    assert "best ≈ 2" in speculation.strip(figures.speculating, 4, 80, best=figures.evidence.estimate).plain


def test_it_outlives_the_reply_but_not_the_load() -> None:
    figures = told(*[one(4, 4)] * 30)
    figures.feed(started())
    assert figures.evidence.estimate is not None
    figures.feed(loaded())
    assert figures.evidence.estimate is None


@pytest.mark.parametrize("height", [8, 10, 14, 20])
def test_the_controllers_reason_is_shown_at_every_height_that_has_room(height: int) -> None:
    figures = told(*[replace(one(2, 2), reason="two pay best")] * 5)
    assert "two pay best" in speculation.panel(figures.speculating, "auto", 40, height).plain
    assert "two pay best" in speculation.strip(figures.speculating, "auto", 60).plain


def test_no_forward_is_thought_to_be_free() -> None:
    """The line through 2 and 3 rows crosses zero before it comes to the one row of plain decoding."""
    check = line([(2, 0.012, 9), (3, 0.030, 45)])
    assert check(1) == pytest.approx(0.006), "a row as it cost where rows were cheapest"
    assert check(3) == pytest.approx(0.030)
    rounds = [one(1, 1, check=0.012)] * 9 + [one(2, 1, check=0.030)] * 45
    found = estimate(rounds)
    assert found is not None and 0 < found.gain < 3
