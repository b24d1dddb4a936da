"""The swarm as a model and as a drawing: lanes out of events, a step's seconds counted once, states told apart."""

from __future__ import annotations

from dataclasses import replace

import pytest
from making import cycle, finished, pool, started

from engine.events import Cycle, Event, Failed, Preempted, Prefilled
from helix_tui.messages import Question
from helix_tui.render.flow import Flow
from helix_tui.render.swarm import columns, figures, lane, lanes, title
from helix_tui.swarm import Swarm

SETTINGS = Question((), depth=4)


def of(request: int, event: Event, **changes: object) -> Event:
    return replace(event, request=request, **changes)  # type: ignore[call-arg]


def begun(count: int) -> Swarm:
    """All members started, as requests 10, 11, ..."""
    swarm = Swarm(SETTINGS, count)
    for number, member in enumerate(swarm.members):
        swarm.feed(of(10 + number, started(), question=member.question, blocks=pool(((number, 1),), 10)))
    return swarm


def texts(swarm: Swarm) -> list[Flow]:
    flows = [Flow() for _ in swarm.members]
    for flow, member in zip(flows, swarm.members, strict=True):
        flow.extend(member.pieces)
    return flows


def test_questions_are_the_starters_over_and_over_and_short() -> None:
    swarm = Swarm(SETTINGS, 16)
    assert len({q.messages[0]["content"] for q in swarm.questions}) == 10
    assert {q.max_tokens for q in swarm.questions} == {128} and {q.depth for q in swarm.questions} == {4}
    assert {q.max_tokens for q in Swarm(replace(SETTINGS, max_tokens=9), 2).questions} == {9}
    for count in (1, 17):
        with pytest.raises(ValueError, match="2 to 16"):
            Swarm(SETTINGS, count)


def test_events_find_their_lane_also_where_a_question_is_asked_twice() -> None:
    swarm = begun(12)
    assert [m.request for m in swarm.members] == list(range(10, 22))
    assert [m.seat for m in swarm.members] == list(range(12))
    swarm.feed(of(21, cycle("ab", kept=1), blocks=pool(((5, 2),), 20)))
    assert [text for text, _ in swarm.members[11].pieces] == ["a", "z"]
    assert swarm.members[1].pieces == []
    swarm.feed(of(99, cycle("ab", kept=1)))
    assert swarm.tokens == 2


def test_the_seconds_of_a_step_count_once_and_each_lane_has_its_own_speed() -> None:
    swarm = begun(2)
    for _ in range(3):
        for request, kept in ((10, 3), (11, 1)):
            swarm.feed(of(request, cycle("abcd", kept=kept, seconds=0.5), batch=2))
    swarm.feed(of(10, finished()))
    swarm.feed(of(11, cycle("abcd", kept=1, seconds=0.25), batch=1))
    assert swarm.seconds == 1.75 and swarm.most == 2
    assert swarm.tokens == 12 + 8 and swarm.rate == pytest.approx(20 / 1.75)
    assert swarm.members[0].rate == 12 / 1.5 and swarm.members[1].rate == 8 / 1.75
    assert swarm.acceptance == 13 / 28


def test_states_follow_the_events() -> None:
    swarm = begun(4)
    a, b, c, d = swarm.members
    swarm.feed(Prefilled(10, 10, 0.1, pool(((0, 1),), 10)))
    swarm.feed(of(11, cycle("ab", kept=1), blocks=pool(((1, 2),), 20)))
    swarm.feed(Preempted(11))
    swarm.feed(Failed(12, "OutOfMemory", "no room"))
    assert [m.state for m in swarm.members] == ["writing", "preempted", "failed", "reading"]
    assert b.preempted == swarm.preemptions == 1 and not list(swarm.pool.owners[11].blocks.table)
    swarm.feed(of(11, cycle("ab", kept=2), blocks=pool(((1, 2),), 20)))
    assert b.state == "writing" and len(b.pieces) == 5
    swarm.feed(of(10, finished()))
    swarm.break_off("broken")
    assert [m.state for m in swarm.members] == ["done", "failed", "failed", "failed"]
    assert (c.error, d.error, a.error) == ("no room", "broken", "") and swarm.done and not swarm.pool.owners


def test_a_refused_question_is_one_that_never_started() -> None:
    swarm = Swarm(SETTINGS, 2)
    swarm.feed(of(10, started(), question=swarm.members[0].question))
    swarm.refuse("too long")
    assert [(m.state, m.error) for m in swarm.members] == [("reading", ""), ("failed", "too long")]


def test_lanes_fit_their_room_exactly() -> None:
    swarm = begun(7)
    for request in range(10, 17):
        event: Cycle = cycle("abcd", own=" and a word" * 30, kept=4)
        swarm.feed(of(request, event))
    for width, height in ((150, 40), (96, 30), (80, 20), (38, 12), (20, 5), (5, 2), (1, 1)):
        drawn = lanes(swarm, texts(swarm), width, height).split("\n")
        assert len(drawn) <= height and all(line.cell_length <= width for line in drawn)


def test_columns_are_few_but_no_lane_is_too_low() -> None:
    assert [columns(n, 150, 40) for n in (2, 8, 16)] == [1, 1, 2]
    assert columns(16, 40, 10) == 1


def test_a_lane_says_what_it_is_doing() -> None:
    swarm = begun(2)
    member = swarm.members[0]

    def words() -> str:
        return "\n".join(line.plain for line in lane(member, texts(swarm)[0], 70, 5))

    assert "a … What is speculative decoding? " in words() and "reading the question" in words()
    swarm.feed(of(10, cycle("ab", own=" more", kept=2, seconds=0.1)))
    assert "a ▶ " in words() and "30.0 tokens/s" in words() and "ab more" in words()
    swarm.feed(Preempted(10))
    assert "↺ the pool is full" in words() and "ab more" in words()
    swarm.feed(Failed(10, "HelixError", "it \x1b[31mbroke"))
    assert "✗" in words() and "it ␛[31mbroke" in words()


def test_figures_and_title() -> None:
    swarm = begun(2)
    assert "–" in title(swarm, 50).plain + figures(swarm, 40, 2).plain
    for request in (10, 11):
        swarm.feed(of(request, cycle("abcd", kept=3, seconds=0.1), batch=2))
    swarm.feed(Preempted(11))
    drawn = figures(swarm, 44, 6).plain
    assert "Together" in drawn and "8 tokens" in drawn and "2 in one step" in drawn
    assert "↺ 1 preemption · 40.0 a lane · 75 % accepted" in drawn
    swarm.feed(of(10, finished()))
    assert title(swarm, 60).plain.endswith("1 of 2 done") and title(swarm, 60).cell_length == 60
