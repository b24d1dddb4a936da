"""The depth controller: the arithmetic of speculation on costs and acceptance that are known."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from engine.config import MAX_DEPTH
from engine.depth import DECAY, PROBE_EVERY, Acceptance, Costs, DepthController, Pace


def flat(draft: float) -> Costs:
    """A target whose rows are free, as on a machine bound by memory; the draft's cost is relative to it."""
    return Costs({1: 1.0, 16: 1.0}, draft)


def settled(rate: float, pace: Pace) -> DepthController:
    """A controller that has seen many cycles in which each token was kept with probability `rate`."""
    controller = DepthController(pace)
    rng = random.Random(1)
    for _ in range(400):
        accepted = next((i for i in range(MAX_DEPTH) if rng.random() >= rate), MAX_DEPTH)
        controller.observe(MAX_DEPTH, accepted)
    return controller


def speed(depth: int, rate: float, draft: float) -> float:
    """Tokens a second by the formula, for flat rows and even acceptance."""
    return sum(rate**i for i in range(depth + 1)) / (1 + depth * draft)


@pytest.mark.parametrize(("rate", "draft"), [(0.72, 0.1), (0.8, 0.05), (0.8, 0.2), (0.9, 0.1), (0.5, 0.2), (0.3, 0.05)])
def test_it_finds_a_depth_as_fast_as_the_formula_s(rate: float, draft: float) -> None:
    chosen = settled(rate, Pace(flat(draft))).choose(MAX_DEPTH).depth
    fastest = max(speed(g, rate, draft) for g in range(MAX_DEPTH + 1))
    assert speed(chosen, rate, draft) > 0.95 * fastest
    assert chosen > 0


def test_a_useless_draft_is_switched_off_and_the_reason_says_so() -> None:
    choice = settled(0.0, Pace(flat(0.2))).choose(MAX_DEPTH)
    assert choice.depth == 0
    assert "drafting would give 0." in choice.reason


def test_a_draft_as_slow_as_the_target_is_switched_off_however_good() -> None:
    assert settled(0.9, Pace(flat(1.0))).choose(MAX_DEPTH).depth == 0


def test_rows_that_cost_make_it_shallower() -> None:
    dear = Costs({1: 1.0, 2: 1.3, 4: 2.0, 8: 3.5, 16: 6.0}, 0.05)
    assert settled(0.8, Pace(dear)).choose(MAX_DEPTH).depth < settled(0.8, Pace(flat(0.05))).choose(MAX_DEPTH).depth


def test_free_drafts_go_deeper_than_paid_ones() -> None:
    costs = Costs({1: 1.0, 16: 1.5}, 0.3)
    paid, free = settled(0.8, Pace(costs)), settled(0.8, Pace(costs, free=True))
    assert free.choose(MAX_DEPTH).depth > paid.choose(MAX_DEPTH).depth > 0


def test_the_limit_holds() -> None:
    assert settled(0.95, Pace(flat(0.02))).choose(3).depth == 3
    assert settled(0.95, Pace(flat(0.02))).choose(0).depth == 0


def test_it_tries_again_now_and_then_and_less_often_while_it_does_not_pay() -> None:
    controller = settled(0.0, Pace(flat(0.5)))
    tries = [i for i in range(400) if controller.choose(8).depth == 1]
    gaps = [b - a for a, b in zip([-1, *tries], tries, strict=False)]
    assert gaps[0] == PROBE_EVERY + 1
    assert len(gaps) >= 3
    assert all(later > earlier for earlier, later in pairwise(gaps))
    assert len(tries) <= 0.03 * 400, "probing costs plain decoding too much"


def test_it_comes_back_when_the_text_becomes_easy() -> None:
    controller = settled(0.0, Pace(flat(0.1)))
    for _ in range(2000):
        depth = controller.choose(8).depth
        if depth > 1:
            break
        if depth:
            controller.observe(depth, depth)
    else:
        pytest.fail("it never drafted again")


def test_a_new_text_starts_from_what_others_showed() -> None:
    pace = Pace(flat(0.3))
    settled(0.0, pace)
    assert DepthController(pace).choose(8).depth == 0
    assert DepthController(Pace(flat(0.3))).choose(8).depth > 0, "without experience it should try"


def test_costs_interpolate_and_follow_the_machine() -> None:
    costs = Costs({1: 1.0, 4: 2.5, 16: 4.0}, 0.1)
    assert costs.verify(1) == pytest.approx(1.0)
    assert costs.verify(2) == pytest.approx(1.5)
    assert costs.verify(10) == pytest.approx(3.25)
    assert costs.verify(32) == pytest.approx(8.0)
    for _ in range(200):
        costs.observe(4, 5.0, 2, 0.6)
    assert costs.verify(4) == pytest.approx(5.0, rel=0.01)
    assert costs.verify(1) == pytest.approx(2.0, rel=0.01)
    assert costs.draft == pytest.approx(0.3, rel=0.01)


def test_plain_cycles_tell_that_the_machine_recovered_for_the_draft_too() -> None:
    costs = Costs({1: 10.0}, 4.0)
    for _ in range(200):
        costs.observe(1, 1.0, 0, 0.0)
    assert costs.verify(1) == pytest.approx(1.0, rel=0.01)
    assert costs.draft == pytest.approx(0.4, rel=0.01)


def test_one_outlier_moves_costs_little() -> None:
    costs = Costs({1: 1.0}, 0.1)
    costs.observe(1, 1000.0, 0, 0.0)
    assert costs.verify(1) <= 1.1


def test_acceptance_counts_only_positions_that_were_reached() -> None:
    acceptance = Acceptance(DECAY)
    for _ in range(300):
        acceptance.observe(4, 1)
    rates = acceptance.rates()
    assert rates[0] > 0.95
    assert rates[1] < 0.15
    assert rates[2] == pytest.approx(rates[1]), "never tried: like the one before"
    tokens = acceptance.tokens()
    assert tokens[0] == 1.0
    assert tokens[1] == pytest.approx(1 + rates[0])
    assert tokens[2] == pytest.approx(1 + rates[0] + rates[0] * rates[1])
