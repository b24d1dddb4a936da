"""The depth controller: the arithmetic of speculation on costs and acceptance that are known."""

from __future__ import annotations

import random
import re
from itertools import pairwise

import pytest

from engine.confidence import Confidence
from engine.config import MAX_DEPTH
from engine.costs import Costs, Rest
from engine.depth import PROBE_EVERY, Choice, DepthController, Enough, Pace


def flat(draft: float) -> Costs:
    """A target whose rows are free, as on a machine bound by memory; the draft's cost is relative to it."""
    return Costs({1: 1.0, 16: 1.0}, draft)


def settled(rate: float, pace: Pace) -> DepthController:
    """A controller that has seen many cycles in which each token was kept with probability `rate`."""
    controller = DepthController(pace)
    rng = random.Random(1)
    for _ in range(400):
        accepted = next((i for i in range(MAX_DEPTH) if rng.random() >= rate), MAX_DEPTH)
        controller.observe([rate] * MAX_DEPTH, accepted)
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


def test_a_hiccup_while_one_row_was_timed_promises_no_miracle() -> None:
    hiccup = Costs({1: 20.0, 2: 1.0, 16: 1.2}, 0.1)
    assert hiccup.verify(1) == 1.0
    choice = settled(0.9, Pace(hiccup)).choose(MAX_DEPTH)
    tokens, gain = map(float, re.findall(r"\d+\.\d+", choice.reason))
    assert 1 < gain < tokens


def test_what_a_cycle_takes_besides_its_forwards_decides_where_it_is_close() -> None:
    def decides(plain: float, drafting: float, acceptance: float = 0.3) -> Choice:
        costs = flat(0.2)
        for _ in range(50):
            costs.rest.learn(False, plain)
            costs.rest.learn(True, drafting)
        return settled(acceptance, Pace(costs)).choose(MAX_DEPTH)

    assert decides(0.0, 0.0).depth > 0, "1.3 tokens for 1.2 forwards"
    assert decides(0.1, 0.3).depth == 0, "for 1.5 against 1.1 no longer"
    assert decides(0.02, 0.02, acceptance=0.4).depth > 0, "the same in every cycle changes little"
    assert decides(0.3, 0.3, acceptance=0.4).depth == 0, "but the more it is, the more drafting has to promise"
    assert decides(0.3, 0.3, acceptance=0.6).depth > 0


def test_one_slow_cycle_is_not_taken_for_what_is_usual() -> None:
    rest = Rest()
    assert rest(True) == rest(False) == 0.0
    rest.learn(False, 0.1)
    assert rest(True) == rest(False) == pytest.approx(0.1), "the best guess before a draft was seen"
    rest.learn(False, 100.0)
    assert rest(False) < 0.15
    for _ in range(60):
        rest.learn(True, 0.2)
    assert rest(True) == pytest.approx(0.2, rel=0.05)


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
            controller.observe([0.9] * depth, depth)
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


def test_only_judged_tokens_count() -> None:
    """What stands behind a rejected token was judged by nobody."""
    one, other = DepthController(Pace(flat(0.1))), DepthController(Pace(flat(0.1)))
    one.observe([0.9, 0.4], 1)
    other.observe([0.9, 0.4, 0.9, 0.9], 1)
    assert one.acceptance == other.acceptance
    assert other.tokens()[:3] == pytest.approx([1.0, 1 + other.acceptance, 1 + other.acceptance + other.acceptance**2])


def test_how_sure_the_draft_was_counts_too() -> None:
    """Of two texts with the same luck, the one whose draft is sure is thought the easier."""
    sure, unsure = DepthController(Pace(flat(0.1))), DepthController(Pace(flat(0.1)))
    for _ in range(3):
        sure.observe([0.95, 0.95], 1)
        unsure.observe([0.15, 0.15], 1)
    assert sure.acceptance > unsure.acceptance + 0.1


def test_n_grams_are_not_believed_to_be_sure() -> None:
    pace = Pace(flat(0.0), free=True)
    assert settled(0.2, pace).acceptance < 0.5


def test_confidence_takes_a_draft_at_its_word_until_it_learns_better() -> None:
    confidence = Confidence()
    assert [round(confidence.kept(chance), 2) for chance in (0.0, 0.31, 0.99, 1.0)] == [0.05, 0.35, 0.95, 0.95]
    for i in range(300):
        confidence.observe(0.97, i % 2 == 0)
    assert confidence.kept(0.95) == pytest.approx(0.5, abs=0.05), "a boaster"
    assert confidence.kept(0.35) == pytest.approx(0.35), "other probabilities are as before"


def drafted(enough: Enough, chance: float) -> int:
    """Tokens of a draft that is equally sure of each."""
    return next(i for i in range(1, 200) if enough(chance))


def test_a_draft_ends_where_the_next_token_is_not_worth_its_time() -> None:
    """By the rule itself: hope x acceptance x seconds a token against the price of one draft more."""
    pace = Pace(flat(0.3))
    controller = settled(0.8, pace)
    token = 0.6
    sure = drafted(controller.enough(Choice(4, "", token)), 0.99)
    unsure = drafted(controller.enough(Choice(4, "", token)), 0.15)
    assert unsure == 1
    hope = pace.confidence.kept(0.99)
    assert hope ** (sure - 1) * controller.acceptance * token > 0.3 >= hope**sure * controller.acceptance * token


def test_rows_that_cost_end_a_draft_sooner_and_cheap_drafts_later() -> None:
    def length(costs: Costs) -> int:
        return drafted(DepthController(Pace(costs)).enough(Choice(4, "", 0.5)), 0.9)

    dear = Costs({1: 1.0, 16: 4.0}, 0.1)
    assert length(dear) < length(flat(0.1)) < length(flat(0.02))


def test_a_hard_text_still_drafts_on_where_it_is_easy() -> None:
    """A probe in a text that was hard goes deeper than one token when its first is sure."""
    controller = settled(0.0, Pace(flat(0.1)))
    assert controller.acceptance < 0.2
    assert not controller.enough(Choice(1, "", 1.0))(0.95)
    assert controller.enough(Choice(1, "", 1.0))(0.05)
