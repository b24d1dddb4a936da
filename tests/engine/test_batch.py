"""Several requests at once: one forward a cycle, nobody's text changes, and one that fails takes nobody with it."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
import tiny
import torch
from tokenizers import Tokenizer
from tokenizers import models as kinds
from transformers import PreTrainedTokenizerFast

from engine import Engine, InvalidRequest, OutOfMemory, Request, Sampling, Speculation
from engine.events import Cycle, Event, Failed, Finished, Preempted, Started
from engine.models.paged import PagedModel

LENGTHS = (3, 17, 40, 33)


def ask(number: int, depth: int = 4, **changes: Any) -> Request:
    prompt = tiny.prompt(LENGTHS[number % len(LENGTHS)], number)
    return Request(**{"prompt_ids": prompt, "max_tokens": 30, "speculation": Speculation(depth), **changes})


def run(engine: Engine, requests: list[Request]) -> tuple[list[int], list[Event]]:
    numbers = [engine.submit(request) for request in requests]
    events: list[Event] = []
    while engine.busy:
        events += engine.step()
    return numbers, events


def texts(numbers: list[int], events: list[Event]) -> list[list[int]]:
    said: dict[int, list[int]] = {number: [] for number in numbers}
    for event in events:
        if isinstance(event, Cycle):
            said[event.request] += [token.id for token in event.emitted]
    return [said[number] for number in numbers]


@pytest.fixture(scope="module")
def alone(pair: Engine) -> list[list[int]]:
    """What each request says when nobody else is there."""
    return [pair.generate(ask(seed)).token_ids for seed in range(6)]


def small(models: tiny.Models, pair: Engine, blocks: int, **settings: Any) -> Engine:
    memory = blocks * tiny.block_bytes(pair)
    return Engine.load(models.target("llama"), models.near("llama"), device="cpu", kv_memory=memory, **settings)


def test_a_ragged_batch_says_what_each_says_alone(pair: Engine, alone: list[list[int]]) -> None:
    depths = (0, 1, 4, 8, 3, 16)
    requests = [ask(seed, depth, max_tokens=30 - 3 * seed) for seed, depth in enumerate(depths)]
    replies = pair.generate_batch(requests)
    assert [r.token_ids for r in replies] == [ids[: 30 - 3 * seed] for seed, ids in enumerate(alone)]
    assert {r.finish_reason for r in replies} == {"length"}
    assert replies[0].usage.drafted == 0
    assert pair.generate_batch([]) == []


def test_one_target_forward_a_cycle(pair: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    honest = PagedModel.forward

    def counted(self: PagedModel, spans: list[Any]) -> torch.Tensor:
        if self is pair._pair.target:
            calls.append(len(spans))
        return honest(self, spans)

    monkeypatch.setattr(PagedModel, "forward", counted)
    replies = pair.generate_batch([ask(seed) for seed in range(4)])
    assert len(calls) == max(reply.usage.cycles for reply in replies)
    assert sum(calls) == sum(reply.usage.cycles for reply in replies)
    assert calls[0] == 4


def test_cycles_of_a_step_say_how_many_shared_it(pair: Engine) -> None:
    numbers = [pair.submit(ask(seed)) for seed in range(3)]
    events = [event for event in pair.step() if isinstance(event, Cycle)]
    assert [(event.request, event.batch) for event in events] == [(number, 3) for number in numbers]
    for number in numbers:
        pair.cancel(number)
    assert sum(isinstance(event, Finished) for event in pair.step()) == 3


def test_more_than_run_together_wait_their_turn(models: tiny.Models, alone: list[list[int]]) -> None:
    with Engine.load(models.target("llama"), models.near("llama"), device="cpu", max_running=2) as engine:
        numbers, events = run(engine, [ask(seed) for seed in range(6)])
    assert texts(numbers, events) == alone
    assert max(event.batch for event in events if isinstance(event, Cycle)) == 2
    assert [event.request for event in events if isinstance(event, Started)] == numbers


def test_a_full_pool_preempts_and_loses_nothing(models: tiny.Models, pair: Engine, alone: list[list[int]]) -> None:
    for settings in ({}, {"prefill_chunk": 8}, {"prefix_cache": False}):
        with small(models, pair, 7, **settings) as engine:
            numbers, events = run(engine, [ask(seed) for seed in range(6)])
            assert texts(numbers, events) == alone
            assert any(isinstance(event, Preempted) for event in events)
            assert [event.request for event in events if isinstance(event, Started)] == numbers, "once each"
            assert tiny.held(engine) == 0


def test_nobody_gives_way_to_a_guess(models: tiny.Models, pair: Engine) -> None:
    """Two prompts of 12 tokens fit 3 blocks, but not with 8 drafts each: drafts are cut, and nobody is preempted."""
    requests = [ask(seed, 8, prompt_ids=tiny.prompt(12, seed)) for seed in range(2)]
    with small(models, pair, 3) as engine:
        numbers = [engine.submit(request) for request in requests]
        events = engine.step()
        assert not any(isinstance(event, Preempted) for event in events)
        assert sorted(event.depth for event in events if isinstance(event, Cycle)) == [4, 8], "to the end of a block"
        assert all(texts(numbers, events))


def test_preemption_keeps_the_random_numbers(models: tiny.Models, pair: Engine) -> None:
    """At depth 0, where the pool has no say in how many are drawn."""
    requests = [ask(seed, 0, seed=seed, sampling=Sampling(temperature=1)) for seed in range(6)]
    wanted = [pair.generate(request).token_ids for request in requests]
    with small(models, pair, 7) as engine:
        numbers, events = run(engine, requests)
    assert texts(numbers, events) == wanted
    assert any(isinstance(event, Preempted) for event in events)


@pytest.mark.parametrize("chunk", [8, 512])
def test_out_of_memory_is_for_one_request_alone(
    models: tiny.Models, pair: Engine, alone: list[list[int]], chunk: int
) -> None:
    with small(models, pair, 5, prefill_chunk=chunk) as engine:
        replies = engine.generate_batch([ask(0), ask(1, prompt_ids=tiny.prompt(100, 1)), ask(1)])
        assert [reply.finish_reason for reply in replies] == ["length", "error", "length"]
        assert [replies[0].token_ids, replies[2].token_ids] == alone[:2]
        assert isinstance(replies[1].error, OutOfMemory)
        assert "give kv_memory more" in str(replies[1].error)
        assert tiny.held(engine) == 0
        with pytest.raises(OutOfMemory):
            engine.generate(ask(1, prompt_ids=tiny.prompt(100, 1)))
        assert engine.generate(ask(0)).token_ids == alone[0]


def test_out_of_memory_while_it_grows(models: tiny.Models, pair: Engine, alone: list[list[int]]) -> None:
    """What it said until then stays said."""
    with small(models, pair, 5) as engine:
        numbers, events = run(engine, [ask(0), ask(1, max_tokens=100)])
        assert texts(numbers, events)[0] == alone[0]
        end = next(event for event in events if isinstance(event, Failed))
        assert (end.request, end.error) == (numbers[1], "OutOfMemory")
        assert len(texts(numbers, events)[1]) == 5 * 16 + 1 - LENGTHS[1]
        assert tiny.held(engine) == 0


def test_a_full_draft_pool_costs_speculation_not_the_request(models: tiny.Models, alone: list[list[int]]) -> None:
    with Engine.load(models.target("llama"), models.near("llama"), device="cpu", prefill_chunk=8) as engine:
        allocator = engine._pair.draft.allocator  # type: ignore[union-attr]
        taken = [allocator.take() for _ in range(allocator.available - 1)]
        replies = engine.generate_batch([ask(seed) for seed in range(6)])
        assert [reply.token_ids for reply in replies] == alone
        assert tiny.held(engine) == len(taken)
        allocator.release(taken)
        again = engine.generate_batch([ask(seed) for seed in range(6)])
        assert [reply.token_ids for reply in again] == alone
        assert sum(r.usage.drafted for r in again) > sum(r.usage.drafted for r in replies)


def test_a_bad_request_in_a_batch_stops_it_before_anything_runs(pair: Engine) -> None:
    with pytest.raises(InvalidRequest):
        pair.generate_batch([ask(0), Request(prompt_ids=[tiny.VOCAB])])
    assert not pair.busy


def test_threads_stream_at_the_same_time(pair: Engine, alone: list[list[int]]) -> None:
    said: dict[int, list[int]] = {}

    def stream(seed: int) -> None:
        events = list(pair.stream(ask(seed)))
        assert isinstance(events[-1], Finished)
        assert len({event.request for event in events if hasattr(event, "request")}) == 1
        said[seed] = [token.id for event in events if isinstance(event, Cycle) for token in event.emitted]

    threads = [threading.Thread(target=stream, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [said[seed] for seed in range(6)] == alone
    assert not pair.busy
    assert tiny.held(pair) == 0


def test_a_shared_prompt_is_shared_in_the_pool(pair: Engine) -> None:
    stem = tiny.prompt(64, 99)
    pair.generate(Request(prompt_ids=stem, max_tokens=1))
    before = tiny.held(pair)
    numbers = [pair.submit(Request(prompt_ids=[*stem, 5 + i], max_tokens=20)) for i in range(3)]
    started = [event for event in pair.step() if isinstance(event, Started)]
    assert [event.cached_tokens for event in started] == [64, 64, 64]
    assert len({event.blocks.table for event in started}) == 1
    assert before == 0
    for number in numbers:
        pair.cancel(number)
    pair.step()
    assert tiny.held(pair) == 0


def test_a_draft_with_fewer_rows_than_the_target(models: tiny.Models, tmp_path: Path) -> None:
    """Families pad their output layers differently: of 112 rows in one model the other has 97."""
    words = Tokenizer(kinds.WordLevel({f"w{i}": i for i in range(tiny.VOCAB)}, unk_token="w0"))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words)
    wide = tiny.save(tiny.build("llama", vocab_size=112), tmp_path / "wide")
    narrow = tiny.save(tiny.build("llama"), tmp_path / "narrow")
    for folder in (wide, narrow):
        tokenizer.save_pretrained(folder)
    for target, draft in ((wide, narrow), (narrow, wide)):
        dense = tiny.load(target)
        prompts = [tiny.prompt(20, seed) for seed in range(3)]
        wanted = [tiny.greedy(dense, prompt, 40) for prompt in prompts]
        if target == wide:
            assert any(token >= tiny.VOCAB for reply in wanted for token in reply)
        with Engine.load(target, draft, device="cpu") as engine:
            replies = engine.generate_batch([Request(prompt_ids=prompt, max_tokens=40) for prompt in prompts])
            assert [reply.token_ids for reply in replies] == wanted
            warm = Sampling(temperature=1.5, top_k=50, repetition_penalty=1.2)
            assert engine.generate(Request(prompt_ids=prompts[0], sampling=warm, max_tokens=60)).usage.drafted > 0
