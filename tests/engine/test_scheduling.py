"""Whose turn it is: priorities without starvation, prompts in pieces, prefixes held once, and nobody's text changes."""

from __future__ import annotations

import random
from typing import Any

import pytest
import tiny
import torch

from engine import Engine, Request, Sampling, Speculation
from engine.costs import Costs
from engine.depth import DepthController, Pace, Wish, share_out
from engine.events import Cycle, Event, Finished, Started
from engine.models.paged import PagedModel

STEM = tiny.prompt(100, 99)


def ask(length: int, which: int, **changes: Any) -> Request:
    return Request(**{"prompt_ids": tiny.prompt(length, which), "max_tokens": 8, **changes})


def finish(engine: Engine) -> list[Event]:
    events: list[Event] = []
    while engine.busy:
        events += engine.step()
    return events


def started(events: list[Event]) -> list[int]:
    return [event.request for event in events if isinstance(event, Started)]


def said(events: list[Event], request: int) -> list[int]:
    return [t.id for e in events if isinstance(e, Cycle) and e.request == request for t in e.emitted]


@pytest.fixture
def one_at_a_time(models: tiny.Models) -> Any:
    with Engine.load(models.target("llama"), models.near("llama"), device="cpu", max_running=1) as engine:
        yield engine


def test_a_higher_priority_starts_first_and_equals_in_order(one_at_a_time: Engine) -> None:
    numbers = [one_at_a_time.submit(ask(5, seed, priority=p)) for seed, p in enumerate((0, 0, 2, 1, 2))]
    order = [numbers.index(n) for n in started(finish(one_at_a_time))]
    assert order == [2, 4, 3, 0, 1]


def test_nobody_waits_for_ever(one_at_a_time: Engine) -> None:
    """However many with a higher priority keep coming."""
    humble = one_at_a_time.submit(ask(5, 0, priority=0))
    events: list[Event] = []
    for seed in range(1, 30):
        one_at_a_time.submit(ask(5, seed, priority=2, max_tokens=2))
        one_at_a_time.submit(ask(5, seed + 100, priority=2, max_tokens=2))
        events += one_at_a_time.step()
        events += one_at_a_time.step()
    assert humble in started(events)
    for sequence in one_at_a_time._loop.live:
        one_at_a_time.cancel(sequence.id)
    finish(one_at_a_time)


def test_the_least_priority_gives_way(models: tiny.Models, pair: Engine) -> None:
    memory = 9 * tiny.block_bytes(pair)
    with Engine.load(models.target("llama"), models.near("llama"), device="cpu", kv_memory=memory) as engine:
        numbers = [engine.submit(ask(20, seed, priority=-seed, max_tokens=60)) for seed in (2, 1, 0)]
        events = finish(engine)
    preempted = [event.request for event in events if event.kind == "preempted"]
    assert preempted
    assert numbers[2] not in preempted
    ends = [event.request for event in events if isinstance(event, Finished)]
    assert ends.index(numbers[2]) < ends.index(numbers[0])


def rows_of(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> list[list[int]]:
    """The rows of each sequence in every target forward from now on."""
    calls: list[list[int]] = []
    honest = PagedModel.forward

    def counted(self: PagedModel, spans: list[Any]) -> torch.Tensor:
        if self is engine._pair.target:
            calls.append([len(span.tokens) for span in spans])
        return honest(self, spans)

    monkeypatch.setattr(PagedModel, "forward", counted)
    return calls


@pytest.mark.parametrize("depth", [0, 4])
def test_a_short_request_answers_while_a_long_prompt_is_read(
    models: tiny.Models, monkeypatch: pytest.MonkeyPatch, depth: int
) -> None:
    """Its first token comes with the next forward, which is no longer than a chunk."""
    with Engine.load(models.target("llama"), models.near("llama"), device="cpu", prefill_chunk=24) as engine:
        alone = engine.generate(ask(6, 1, speculation=Speculation(depth))).token_ids
        calls = rows_of(engine, monkeypatch)
        talker = engine.submit(ask(4, 2, max_tokens=40, speculation=Speculation(depth)))
        events = engine.step()
        long = engine.submit(ask(140, 3, max_tokens=3, speculation=Speculation(depth)))
        events += engine.step()
        calls.clear()
        short = engine.submit(ask(6, 1, speculation=Speculation(depth)))
        events += engine.step()
        assert len(calls) == 1, "one forward for the long prompt, the short one and the one that talks"
        assert len(calls[0]) == 3
        assert sum(calls[0]) <= 24 + 3 * (depth + 1)
        assert said(events, short)
        assert not said(events, long)
        before = len(said(events, talker))
        while not said(events, long):
            events += engine.step()
            assert said(events, talker)[before:], "who talks goes on with every step"
            before = len(said(events, talker))
        events += finish(engine)
        assert said(events, short) == alone
        assert max(map(sum, calls)) <= 24 + 3 * (depth + 1)
        assert tiny.held(engine) == 0


def test_prompts_share_a_chunk_evenly(pair: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pair._loop, "_config", type(pair._loop._config)(prefill_chunk=40))
    calls = rows_of(pair, monkeypatch)
    for length, seed in ((120, 51), (90, 52)):
        pair.submit(ask(length, seed, max_tokens=1))
    pair.step()
    pair.submit(ask(4, 53, max_tokens=1))
    pair.step()
    assert [sorted(call) for call in calls] == [[20, 20], [4, 8, 8]], "half a chunk when a first token is due"
    finish(pair)


@pytest.mark.parametrize("chunk", [16, 512])
@pytest.mark.parametrize("together", [True, False])
def test_a_prefix_is_held_once(models: tiny.Models, pair: Engine, chunk: int, together: bool) -> None:
    """By those who come together as by those who come later, in the target's pool and in the draft's."""
    with Engine.load(models.target("llama"), models.near("llama"), device="cpu", prefill_chunk=chunk) as engine:
        requests = [Request(prompt_ids=[*STEM, 5 + i, 7], max_tokens=20) for i in range(8)]
        alone = [pair.generate(request).token_ids for request in requests]
        numbers = [engine.submit(requests[0])]
        events: list[Event] = [] if together else engine.step()
        numbers += [engine.submit(request) for request in requests[1:]]
        while len({event.request for event in events if isinstance(event, Cycle)}) < 8:
            events += engine.step()
        tables = [s.table.blocks for s in engine._loop.live]
        drafts = [t.blocks for t in engine._pair.draft and engine._speculator.drafter._tables.values()]
        for held in (tables, drafts):
            assert len(held) == 8
            assert len({tuple(blocks[:6]) for blocks in held}) == 1, "100 tokens are 6 full blocks"
            assert len({b for blocks in held for b in blocks}) <= 6 + 8 * 2
        assert sum(e.cached_tokens for e in events if isinstance(e, Started)) == 7 * 96
        events += finish(engine)
        assert [said(events, n) for n in numbers] == alone
        assert tiny.held(engine) == 0


def test_without_a_prefix_cache_nobody_waits_for_what_will_not_be_shared(models: tiny.Models) -> None:
    with Engine.load(models.target("llama"), None, device="cpu", prefix_cache=False) as engine:
        for i in range(3):
            engine.submit(Request(prompt_ids=[*STEM, 5 + i], max_tokens=2))
        assert len(started(engine.step())) == 3
        finish(engine)


@pytest.mark.parametrize("sampling", [Sampling(), Sampling(temperature=1.0), Sampling(temperature=0.8, top_p=0.9)])
@pytest.mark.parametrize("depth", [0, 4])
@pytest.mark.parametrize("seed", range(2))
def test_a_text_does_not_depend_on_the_company(
    models: tiny.Models, pair: Engine, sampling: Sampling, depth: int, seed: int
) -> None:
    """Random others come and go, are cancelled, have long prompts and other depths."""
    rng = random.Random(seed)
    mine = ask(30, 1000 + seed, max_tokens=40, seed=seed, sampling=sampling, speculation=Speculation(depth))
    alone = pair.generate(mine).token_ids
    with Engine.load(models.target("llama"), models.near("llama"), device="cpu", prefill_chunk=20) as engine:
        others: list[int] = []
        events: list[Event] = []
        for step in range(200):
            if step == 3:
                number = engine.submit(mine)
            if rng.random() < 0.7 and step < 30:
                heat = Sampling(temperature=rng.choice([0.0, 1.3]))
                speculation = Speculation(rng.choice([0, 2, 7, "auto"]))
                other = ask(rng.randint(1, 120), rng.randint(0, 99), sampling=heat, speculation=speculation)
                others.append(engine.submit(other))
            if others and rng.random() < 0.3:
                engine.cancel(rng.choice(others))
            events += engine.step()
        events += finish(engine)
        assert max(e.batch for e in events if isinstance(e, Cycle) and e.request == number) > 2
        assert said(events, number) == alone
        assert tiny.held(engine) == 0


# Rows go where they are likeliest to be worth them.


def settled(rate: float, costs: Costs) -> DepthController:
    controller = DepthController(Pace(costs))
    rng = random.Random(1)
    for _ in range(300):
        controller.observe([rate] * 16, next((i for i in range(16) if rng.random() >= rate), 16))
    return controller


def test_rows_go_to_the_drafts_likeliest_to_be_kept() -> None:
    costs = Costs({1: 1.0, 64: 1.5}, {1: 0.05, 16: 0.1})
    wishes = [Wish(settled(rate, costs), 16) for rate in (0.9, 0.5, 0.0)]
    depths = [choice.depth for choice in share_out(wishes, costs, 64)]
    assert depths[0] > depths[1] > depths[2]


def test_the_budget_holds() -> None:
    costs = Costs({1: 1.0, 64: 1.0}, 0.001)
    wishes = [Wish(settled(0.9, costs), 16) for _ in range(4)]
    assert sum(choice.depth + 1 for choice in share_out(wishes, costs, 12)) == 12
    assert sum(choice.depth + 1 for choice in share_out(wishes, costs, 20, taken=10, others=2)) == 10
    assert [choice.depth for choice in share_out(wishes, costs, 2)] == [0, 0, 0, 0]


def test_drafts_that_pay_alone_need_not_pay_in_company() -> None:
    """Rows that were free beside one sequence are not beside sixteen."""
    costs = Costs({1: 1.0, 16: 1.0, 64: 5.0}, {1: 0.1, 16: 0.4})
    alone = share_out([Wish(settled(0.6, costs), 8)], costs, 64)[0].depth
    crowd = share_out([Wish(settled(0.6, costs), 8) for _ in range(16)], costs, 64)
    assert alone > max(choice.depth for choice in crowd)


def test_a_batch_learns_what_each_more_sequence_costs() -> None:
    costs = Costs({1: 1.0, 64: 1.0}, {1: 0.5, 64: 0.5})
    for _ in range(200):
        costs.observe_batch(8, 8, 2.4, [8, 4], 1.0 + 10 * 0.05)
    assert costs.verify(8, 8) == pytest.approx(2.4, rel=0.01)
    assert costs.draft_step(8, 8) == pytest.approx(0.5 + 7 * 0.05, rel=0.02)
    assert costs.verify(8) == pytest.approx(1.0)


def test_log_probabilities_are_those_of_the_raw_logits(models: tiny.Models, pair: Engine) -> None:
    """At any temperature and depth, as transformers computes them; asked for or not, the text is the same."""
    dense = tiny.load(models.target("llama"))
    for heat, depth in ((0.0, 0), (0.0, 4), (0.9, 4)):
        request = ask(12, 5, max_tokens=20, seed=3, sampling=Sampling(temperature=heat), speculation=Speculation(depth))
        plain = pair.generate(request).token_ids
        asked = Request(**{name: getattr(request, name) for name in ("prompt_ids", "sampling", "speculation")},
                        max_tokens=20, seed=3, logprobs=3)  # fmt: skip
        tokens = [t for e in pair.stream(asked) if isinstance(e, Cycle) for t in e.emitted]
        assert [t.id for t in tokens] == plain
        laws = tiny.logits(dense, [*request.prompt_ids, *plain])[11:-1].log_softmax(-1)
        for token, law in zip(tokens, laws, strict=True):
            assert token.logprob == pytest.approx(float(law[token.id]), abs=1e-3)
            top = law.topk(3)
            assert [i for i, _ in token.top] == top.indices.tolist()
            assert [p for _, p in token.top] == pytest.approx(top.values.tolist(), abs=1e-3)
    assert all(
        t.logprob is None and t.top == () for e in pair.stream(ask(5, 1)) if isinstance(e, Cycle) for t in e.emitted
    )
