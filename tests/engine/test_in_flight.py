"""What a cycle says of the blocks it held for drafted tokens: those taken, less those kept."""

from __future__ import annotations

from collections.abc import Sequence as Items
from typing import Any

import pytest
import tiny
import torch

from engine import Engine, Request, Sampling, Speculation
from engine.drafters.base import Enough, Plan, Proposal
from engine.events import Cycle, DrafterKind, Event, Runs, Started
from engine.kv.blocks import BLOCK_SIZE
from engine.sequence import Sequence


class Scripted:
    """Drafts `right` tokens of the known reply, then wrong ones."""

    kind: DrafterKind = "model"

    def __init__(self, text: list[int], right: int) -> None:
        self._text = text
        self._right = right

    def plan(self, sequence: Sequence) -> Plan:
        return Plan("model", 16)

    def advance(self, sequences: Items[Sequence]) -> None: ...

    def observe(self, sequence: Sequence) -> None: ...

    def release(self, sequence: Sequence) -> None: ...

    def propose(self, sequences: Items[Sequence], depths: Items[int], enough: Items[Enough | None]) -> list[Proposal]:
        return [self._propose(len(s.tokens), d) for s, d in zip(sequences, depths, strict=True)]

    def _propose(self, at: int, depth: int) -> Proposal:
        ids = [(t + (i >= self._right)) % tiny.VOCAB for i, t in enumerate(self._text[at : at + depth])]
        return Proposal(torch.tensor(ids), None, torch.full((len(ids),), 0.5), "model")


def numbers(runs: Runs) -> list[int]:
    return [n for first, count in runs for n in range(first, first + count)]


def cycles(events: list[Event]) -> list[Cycle]:
    return [event for event in events if isinstance(event, Cycle)]


@pytest.mark.parametrize(
    ("prompt", "depth", "right", "given_back"),
    [
        (14, 8, 0, 1),  # 14 + 8 tokens need two blocks; 14 remain, in one.
        (14, 8, 2, 1),  # 16 remain: still one.
        (14, 8, 3, 0),  # 17 remain, so the second block is kept.
        (14, 8, 8, 0),
        (14, 2, 0, 0),  # 16 tokens: the second block was never taken.
        (4, 8, 0, 0),
        (4, 0, 0, 0),
    ],
)
def test_blocks_in_flight_are_those_that_only_rejected_tokens_needed(
    models: tiny.Models, prompt: int, depth: int, right: int, given_back: int
) -> None:
    ids = tiny.prompt(prompt, 3)
    text = ids + tiny.greedy(tiny.load(models.target("llama")), ids, 40)
    with Engine.load(models.target("llama"), None, device="cpu", dtype="float32") as engine:
        engine._speculator.drafter = engine._speculator.pacer._drafter = Scripted(text, right)
        engine.submit(Request(prompt_ids=ids, max_tokens=30, speculation=Speculation(depth)))
        (first,) = cycles(engine.step())
    table = numbers(first.blocks.table)
    assert first.accepted == min(right, depth)
    assert len(numbers(first.in_flight)) == given_back
    assert not set(numbers(first.in_flight)) & set(table)
    assert first.peak_blocks == len(table) + given_back == -(-(prompt + depth) // BLOCK_SIZE)


def test_in_a_batch_each_cycle_tells_its_own(pair: Engine) -> None:
    """Against the tables as they are while the target reads them."""
    forward, seen = pair._speculator.target.forward, dict[int, list[int]]()

    def spying(spans: Any) -> Any:
        logits = forward(spans)
        seen.update((id(span.table), list(span.table.blocks)) for span in spans)
        return logits

    pair._speculator.target.forward = spying  # type: ignore[method-assign]
    try:
        tables, told = {}, 0
        for seed in range(4):
            request = Request(prompt_ids=tiny.prompt(9 + seed, seed), max_tokens=60, speculation=Speculation(8))
            number = pair.submit(request)
            tables[number] = id(pair._loop._live[number].table)
        while pair.busy:
            for event in cycles(pair.step()):
                held, kept = seen[tables[event.request]], numbers(event.blocks.table)
                assert numbers(event.in_flight) == [block for block in held if block not in kept]
                assert event.peak_blocks == len(held)
                told += len(numbers(event.in_flight))
        assert told > 4
    finally:
        del pair._speculator.target.forward


@pytest.mark.parametrize(
    ("sampling", "verifier", "rule"),
    [(Sampling(), "block", "argmax"), (Sampling(temperature=1), "block", "block"),
     (Sampling(temperature=1), "token", "token")],
)  # fmt: skip
def test_a_request_says_how_its_drafts_are_judged(pair: Engine, sampling: Sampling, verifier: Any, rule: str) -> None:
    request = Request(prompt_ids=[5, 6], max_tokens=1, sampling=sampling, speculation=Speculation(2, verifier=verifier))
    (started,) = [event for event in pair.stream(request) if isinstance(event, Started)]
    assert started.rule == rule
