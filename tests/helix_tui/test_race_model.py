"""The race as a model: two timelines out of events, the order of the runs, and what came of it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from making import POOL, cycle, finished, started

from engine import Sampling
from engine.events import Cycle, Emitted, Failed
from helix_tui.messages import Question
from helix_tui.race import Lane, Race, Round
from helix_tui.render.race import in_words, outcome, pace, sameness

QUESTION = Question(({"role": "user", "content": "why?"},), depth=4)


def numbered(event: Cycle, first: int) -> Cycle:
    """The same cycle with token ids that count on."""
    return replace(event, emitted=tuple(replace(t, id=first + i) for i, t in enumerate(event.emitted)))


def lane(cycles: int, kept: int = 0, seconds: float = 0.01, first: int = 0) -> Lane:
    """Rounds of `kept` accepted tokens of four, or plain ones."""
    run = Lane()
    run.feed(started())
    for index in range(cycles):
        event = cycle("abcd" if kept else "", kept=kept, index=index, seconds=seconds)
        run.feed(numbered(event, first + index * (kept + 1)))
    run.feed(finished())
    return run


def measured(base: Lane, fast: Lane, question: Question = QUESTION) -> Race:
    race = Race(question)
    race.begin()
    race.round.baseline, race.round.speculative = base, fast
    for _ in range(3):
        race.advance()
    return race


def test_the_clock_starts_when_the_first_cycle_ends() -> None:
    run = lane(3, kept=4, seconds=0.5)
    assert run.times == [0.0] * 5 + [0.5] * 5 + [1.0] * 5
    assert [run.shown(at) for at in (0, 0.49, 0.5, 2)] == [5, 5, 10, 15]
    assert run.rate() == 10 / 1.0 and run.rate(10) == 5 / 0.5 and run.rate(5) is None
    assert (run.acceptance, run.mean_length, run.ended) == (1.0, 5.0, "eos")
    assert Lane().rate() is None


def test_a_round_warms_up_and_turns_the_order_every_time() -> None:
    race = Race(QUESTION)
    steps = []
    for _ in range(2):
        race.begin()
        while race.step:
            steps.append((race.step, race.ask().depth, race.ask().max_tokens))
            assert not race.feed(started())
            assert race.feed(finished())
            race.advance()
    assert steps == [
        ("warm-up", 4, 8), ("baseline", 0, 128), ("speculative", 4, 128),
        ("warm-up", 4, 8), ("speculative", 4, 128), ("baseline", 0, 128),
    ]  # fmt: skip
    assert len(race.rounds) == 2


def test_a_broken_off_round_is_forgotten_and_the_one_before_stays() -> None:
    race = measured(lane(5), lane(2, kept=2))
    before = race.round
    race.begin()
    assert race.feed(Failed(1, "OutOfMemory", "no"))
    race.abandon()
    assert race.step is None and race.round is before and race.rounds == [before]


def test_what_was_asked_for_counts() -> None:
    assert Race(replace(QUESTION, depth=0)).question.depth == 4
    assert Race(replace(QUESTION, depth="auto")).question.depth == "auto"
    race = Race(replace(QUESTION, max_tokens=5))
    race.begin()
    assert race.ask().max_tokens == 5


def test_the_ratio_is_of_the_middle_speeds() -> None:
    race = measured(lane(9, seconds=0.02), lane(3, kept=2, seconds=0.03))
    assert race.rate("baseline") == pytest.approx(50) and race.rate("speculative") == pytest.approx(100)
    assert race.ratio == pytest.approx(2.0) and race.identical
    for seconds in (0.04, 0.03):
        race.begin()
        race.round.baseline, race.round.speculative = lane(9, seconds=seconds), lane(3, kept=2, seconds=0.03)
        for _ in range(3):
            race.advance()
    assert race.rate("baseline") == pytest.approx(1 / 0.03)


def test_identity_is_checked_token_by_token() -> None:
    base, fast = lane(9), lane(3, kept=2)
    fast.tokens[6] = Emitted(77, "x", "draft")
    race = measured(base, fast)
    assert race.identical is False and race.round.parts_at == 6
    assert sameness(race) == "the outputs part at token 7: “z” without speculation, “x” with it"
    shorter = lane(9)
    shorter.tokens.pop()
    assert Round(("baseline", "speculative"), lane(9), shorter).parts_at == 8
    same = measured(lane(9), lane(3, kept=2))
    assert sameness(same) == "identical output: all 9 tokens are the same"


def test_above_temperature_0_only_the_law_is_the_same() -> None:
    race = measured(lane(9), lane(3, kept=2, first=50), replace(QUESTION, sampling=Sampling(temperature=0.7)))
    assert race.identical is None
    assert sameness(race) == "drawn at temperature 0.7: the outputs differ by chance, only the law is the same"


def test_winning_losing_and_neither_are_said_plainly() -> None:
    won = measured(lane(9, seconds=0.02), lane(3, kept=2, seconds=0.03))
    assert outcome(won) == "speculation won: 2.00× as fast; the draft was right 50 % of the time"
    undrafted = measured(lane(9, seconds=0.01), lane(9, seconds=0.02))
    assert outcome(undrafted) == "speculation lost here: 0.50×; the engine chose not to draft"
    assert outcome(measured(lane(9), lane(9))).startswith("a tie")


def test_a_loss_is_put_down_to_what_the_figures_say() -> None:
    def lost(kept: int, drafting: float, checking: float, plain: int = 0) -> str:
        """After a plain step of 10 ms: rounds of `kept` of four, and then so many plain ones."""
        run = Lane()
        spent = {"draft_seconds": drafting, "verify_seconds": checking, "seconds": drafting + checking}
        for index in range(9 + plain):
            event = cycle("abcd", kept=kept, index=index) if index < 9 else cycle(index=index)
            run.feed(replace(event, **spent))
        said = outcome(measured(lane(9, seconds=0.01), run))
        assert said.startswith("speculation lost here: 0.")
        return said.partition("; ")[2]

    assert lost(1, 0.012, 0.015) == "the draft was right only 25 % of the time"
    cost = "40.0 ms drafting and 15.0 ms checking a round, against a plain step of 10.0 ms"
    assert lost(4, 0.040, 0.015) == f"right 100 % of the time, but {cost}"
    assert lost(1, 0.040, 0.015) == f"right only 25 % of the time, and {cost}"
    assert lost(3, 0.040, 0.015, plain=20) == "the engine hardly drafted, right 75 % of the time"


def test_the_cost_of_a_round_leaves_out_the_first_which_came_with_the_prompt() -> None:
    run = Lane()
    for index, spent in enumerate((9.0, 0.25, 0.75)):
        event = cycle("abcd", kept=2, index=index, seconds=2 * spent)
        run.feed(replace(event, draft_seconds=spent, verify_seconds=spent))
    run.feed(cycle(index=3, seconds=1.0))
    assert run.cost == (0.5, 0.5) and run.step == 1.0
    assert Lane().cost is None and lane(1).step is None


def test_the_finish_line_is_where_both_have_been() -> None:
    round = Round(("baseline", "speculative"), lane(9), lane(2, kept=2, seconds=0.02))
    assert round.goal == 6 and round.duration == pytest.approx(0.05)
    assert [round.place("speculative", at) for at in (0.0, 0.02)] == [None, 1]
    assert [round.place("baseline", at) for at in (0.04, 0.05)] == [None, 2]
    tie = Round(("baseline", "speculative"), lane(3), lane(3))
    assert tie.place("baseline", 1) == tie.place("speculative", 1) == 1
    assert Round(("baseline", "speculative")).duration == 0


@pytest.mark.parametrize("duration", [0.05, 0.4, 1.3, 3.0, 7.0, 29.0, 45.0, 400.0])
def test_a_replay_is_long_enough_to_see_and_short_enough_to_wait_for(duration: float) -> None:
    assert 5 <= duration * pace(duration) <= 30


def test_the_pace_is_said() -> None:
    assert pace(0.0) == 1
    assert [in_words(p) for p in (1, 8, 0.2)] == [
        "at the measured speed", "8× slower than measured", "5× faster than measured",
    ]  # fmt: skip


def test_a_pool_event_of_another_kind_changes_nothing() -> None:
    run = Lane()
    run.feed(started(blocks=POOL, cached=3))
    assert run.cached == 3 and run.tokens == []
