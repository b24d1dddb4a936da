"""Every figure against its definition."""

from __future__ import annotations

import pytest
from making import cycle, finished, loaded, pool, started

from engine.events import Prefilled
from helix_tui.figures import Figures
from helix_tui.sent import History
from helix_tui.speed import ENOUGH_CYCLES, WINDOW, Speed


def fed(*events: object) -> Figures:
    figures = Figures()
    for event in events:
        figures.feed(event)  # type: ignore[arg-type]
    return figures


def test_acceptance_and_mean_length_are_the_usages() -> None:
    s = fed(started(), cycle("abcd", kept=4), cycle("abcd", kept=1), cycle("ab", kept=0), cycle("")).speculating
    assert (s.cycles, s.drafted, s.accepted) == (4, 10, 5)
    assert s.acceptance == 5 / 10
    assert s.mean_length == 1 + 5 / 4
    assert s.by_position == [2 / 3, 1 / 3, 1 / 2, 1 / 2]


def test_nothing_drafted_is_no_acceptance() -> None:
    assert fed().speculating.acceptance is None
    assert fed().speculating.mean_length is None
    assert fed(started(), cycle("")).speculating.acceptance is None
    assert fed(started(), cycle("")).speculating.mean_length == 1.0


def test_a_reply_starts_anew() -> None:
    figures = fed(started(), cycle("ab", kept=2), started(20, 16, blocks=pool(((0, 1),), 16, 1)))
    assert figures.speculating.cycles == 0
    p = figures.pool
    assert (p.prompt_tokens, p.reused_tokens, p.reused_blocks) == (20, 16, 1)


def test_a_load_brings_an_empty_pool() -> None:
    p = fed(loaded()).pool
    assert p.blocks == pool()
    assert (p.used, p.remembered, p.tokens) == (0, 0, 0)


def test_a_new_chat_keeps_the_pool_and_the_measurements() -> None:
    figures = fed(*reply(0, 0.01), *reply(1, 0.01))
    version = figures.version
    figures.new_chat()
    assert figures.version > version
    assert figures.speculating.cycles == figures.pool.tokens == 0
    assert figures.pool.blocks is not None
    assert figures.speed.now is None
    assert figures.speed.ratio == pytest.approx(2)


def reply(depth: int, seconds: float, cycles: int = ENOUGH_CYCLES + 1, reason: str = "") -> list[object]:
    letters = "a" if depth else ""
    rounds = [
        cycle(letters, "z", len(letters), index=i, depth=depth, seconds=seconds if i else 9.0, reason=reason)
        for i in range(cycles)
    ]
    return [started(depth=depth), *rounds, finished()]


def test_speed_leaves_the_first_cycle_out() -> None:
    speed = fed(started(), cycle("a", kept=1, seconds=9.0)).speed
    assert speed.now is None
    speed = fed(started(), cycle("a", kept=1, seconds=9.0), cycle("a", kept=1, seconds=0.5)).speed
    assert speed.now == 2 / 0.5


def test_the_live_figure_looks_back_on_a_window() -> None:
    slow = [cycle("", seconds=1.0) for _ in range(5)]
    fast = [cycle("", seconds=0.1) for _ in range(WINDOW)]
    assert fed(started(), cycle(""), *slow).speed.now == pytest.approx(1)
    assert fed(started(), cycle(""), *slow, *fast).speed.now == pytest.approx(10)


def test_a_finished_reply_shows_its_usage() -> None:
    speed = fed(started(), Prefilled(1, 10, 0.3, pool()), cycle("")).speed
    assert (speed.prompt_seconds, speed.ttft) == (0.3, None)
    speed.feed(finished(ttft_s=0.4, decode_tokens_per_s=33.0))
    assert (speed.ttft, speed.now) == (0.4, 33.0)


def test_the_curve_has_a_point_for_each_slice_of_engine_time() -> None:
    speed = fed(started(), cycle(""), *(cycle("a", kept=1, seconds=0.02) for _ in range(4))).speed
    assert list(speed.curve) == pytest.approx([100, 100])
    speed = fed(started(), cycle(""), cycle("a", kept=1, seconds=0.5)).speed
    assert list(speed.curve) == [4]


def test_the_ratio_needs_both_modes() -> None:
    assert fed(*reply(1, 0.01)).speed.ratio is None
    assert fed(*reply(0, 0.01)).speed.ratio is None
    speed = fed(*reply(0, 0.02), *reply(1, 0.01)).speed
    assert (speed.baseline, speed.speculative) == (pytest.approx(50), pytest.approx(200))
    assert speed.ratio == pytest.approx(4)


def test_medians_over_the_session() -> None:
    speed = fed(*reply(0, 0.01), *reply(0, 0.02), *reply(0, 0.1)).speed
    assert speed.baseline == pytest.approx(50)


def test_few_cycles_are_no_measurement() -> None:
    assert fed(*reply(0, 0.01, ENOUGH_CYCLES)).speed.baseline is None
    assert fed(*reply(0, 0.01, ENOUGH_CYCLES + 1)).speed.baseline == pytest.approx(100)


def test_one_reply_measures_both_modes_when_it_was_switched() -> None:
    plain = [cycle("", seconds=0.02) for _ in range(ENOUGH_CYCLES)]
    fast = [cycle("a", kept=1, seconds=0.01) for _ in range(ENOUGH_CYCLES)]
    speed = fed(started(), cycle(""), *plain, *fast).speed
    assert speed.ratio == pytest.approx(4)


def test_a_zero_that_the_controller_chose_is_no_baseline() -> None:
    assert fed(*reply(0, 0.01, reason="drafting does not pay")).speed.baseline is None
    assert fed(*reply(0, 0.01, reason="drafting does not pay")).speed.speculative == pytest.approx(100)


def test_another_pair_is_measured_anew() -> None:
    assert fed(*reply(0, 0.01), loaded()).speed.baseline is None


def test_speed_before_anything() -> None:
    speed = Speed()
    assert (speed.now, speed.ratio, speed.baseline, list(speed.curve)) == (None, None, None, [])


def test_history_keeps_what_was_being_written() -> None:
    history = History()
    assert history.older("x") is None
    assert history.newer() is None
    for text in ("one", "two", "two"):
        history.add(text)
    assert [history.older("draft"), history.older("two"), history.older("one")] == ["two", "one", None]
    assert [history.newer(), history.newer(), history.newer()] == ["two", "draft", None]
