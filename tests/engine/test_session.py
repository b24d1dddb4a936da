"""Ten thousand random operations on an engine: whatever is asked in whatever order, every block is free at the end."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import tiny

from engine import Engine, EngineConfig, HelixError, Request, Sampling, Speculation
from engine.events import Cycle, Event, Failed, Finished, Preempted, Started
from engine.models import load

BLOCKS = 9
"""Less than one whole context of 160 tokens: a request can be too long for the pool alone."""
OPERATIONS = 10_000


class Session:
    """Does things to an engine, and holds what comes of them against what it must be."""

    def __init__(self, pair: Any, seed: int) -> None:
        self.pair = pair
        self.random = random.Random(seed)
        self.did: Counter[str] = Counter()
        self.stems = [tiny.prompt(70, which) for which in range(3)]
        self.said: dict[int, list[int]] = {}
        self.asked: dict[int, Request] = {}
        self.greedy: dict[tuple[int, ...], list[int]] = {}
        """The longest reply so far of each prompt: greedy replies of one prompt begin alike."""
        self.reopen()

    def reopen(self) -> None:
        """A new engine over models that are loaded once: pools as they were left, all free."""
        chunk, running = self.random.choice([8, 40, 512]), self.random.choice([1, 3, 16])
        self.engine = Engine(self.pair, EngineConfig(prefill_chunk=chunk, max_running=running))
        self.live: list[int] = []
        self.ended: dict[int, Event] = {}
        self.started: set[int] = set()

    def operate(self) -> None:
        weights = {
            self.step: 55, self.submit: 12, self.share: 8, self.cancel: 6, self.deepen: 6, self.exhaust: 1,
            self.refused: 2, self.stream: 2, self.close: 0.1,
        }  # fmt: skip
        chosen = self.random.choices(list(weights), list(weights.values()))[0]
        self.did[chosen.__name__] += 1
        chosen()
        self.check()

    def request(self, prompt: list[int], longest: int = 24) -> Request:
        rng = self.random
        greedy = rng.random() < 0.7
        return Request(
            prompt_ids=prompt,
            max_tokens=rng.randint(1, longest),
            sampling=Sampling() if greedy else Sampling(temperature=1.3, repetition_penalty=rng.choice([1, 1.3])),
            speculation=Speculation(rng.choice([0, 1, 4, 16, "auto"]), rng.choice(["block", "token"])),
            priority=rng.randint(-1, 1),
            logprobs=rng.choice([None, None, 1]),
            seed=rng.randrange(1000),
        )

    def give(self, request: Request) -> int:
        number = self.engine.submit(request)
        self.asked[number], self.said[number] = request, []
        self.live.append(number)
        return number

    def submit(self) -> None:
        if len(self.live) < 12:
            self.give(self.request(tiny.prompt(self.random.randint(1, 60), self.random.randrange(8))))

    def share(self) -> None:
        """One that begins as others did: a fork of their text."""
        if len(self.live) < 12:
            stem = self.random.choice(self.stems)
            self.give(self.request([*stem[: self.random.randrange(1, 70)], self.random.randrange(3, 9)]))

    def exhaust(self) -> None:
        """More than the pool holds, of which one can never fit alone."""
        for which in range(3):
            self.give(self.request(tiny.prompt(50, 100 + which), longest=110))

    def cancel(self) -> None:
        if self.live:
            self.engine.cancel(self.random.choice(self.live))
        self.engine.cancel(10**9)

    def deepen(self) -> None:
        depth = self.random.choice([0, 2, 9, 16, "auto"])
        self.engine.set_depth(depth, self.random.choice([None, *self.live]))

    def refused(self) -> None:
        """What is wrong is said at once, and changes nothing."""
        wrong = self.random.choice([[tiny.VOCAB], [5] * 500, [-1]])
        with pytest.raises(HelixError):
            self.engine.submit(Request(prompt_ids=wrong))

    def stream(self) -> None:
        """Read a little of a stream and leave it; the others go on meanwhile, and are told of later."""
        events = self.engine.stream(self.request(tiny.prompt(9, self.random.randrange(9))))
        for _ in range(self.random.randint(1, 4)):
            if isinstance(next(events), (Finished, Failed)):
                break
        events.close()
        self.step()

    def close(self) -> None:
        """In the middle of whatever runs: who was asked is told."""
        self.step()
        self.engine.close()
        self.take(self.engine._unclaimed)
        assert not self.live and held(self.pair) == 0
        self.reopen()

    def step(self) -> None:
        self.take(self.engine.step())

    def take(self, events: list[Event]) -> None:
        for event in list(events):
            number = getattr(event, "request", None)
            if number not in self.asked:
                continue
            assert number not in self.ended, "nothing comes after the end"
            if isinstance(event, Started):
                assert number not in self.started
                self.started.add(number)
            elif isinstance(event, Cycle):
                self.said[number] += [token.id for token in event.emitted]
                assert event.accepted <= len(event.drafted) <= event.depth <= 16
            elif isinstance(event, (Finished, Failed)):
                self.end(number, event)
        self.did["preempted"] += sum(isinstance(event, Preempted) for event in events)

    def end(self, number: int, event: Finished | Failed) -> None:
        self.ended[number] = event
        self.live.remove(number)
        request, said = self.asked.pop(number), self.said.pop(number)
        self.did[event.reason if isinstance(event, Finished) else event.error] += 1
        if isinstance(event, Finished):
            assert event.usage.completion_tokens == len(said)
            assert event.reason in ("length", "context", "cancelled")
        else:
            assert event.error == "OutOfMemory"
        if request.sampling.greedy:
            known = self.greedy.setdefault(tuple(request.prompt_ids or ()), said)
            shorter, longer = sorted((known, said), key=len)
            assert longer[: len(shorter)] == shorter, "what a prompt is answered with changed"
            self.greedy[tuple(request.prompt_ids or ())] = longer

    def check(self) -> None:
        live = self.engine._loop.live
        drafter = self.engine._speculator.drafter
        drafts = drafter._tables if drafter is not None else {}
        for model, tables in (
            (self.pair.target, [s.table for s in live]),
            (self.pair.draft, list(drafts.values())),
        ):
            counts = Counter(block for table in tables for block in table.blocks)
            allocator = model.allocator
            assert all(allocator.references(block) == counts[block] for block in range(allocator.total))
            assert allocator.available == allocator.total - len(counts)
            assert allocator.free + len(list(allocator.cached)) + len(counts) == allocator.total
            for table in tables:
                assert len(set(table.blocks)) == len(table.blocks) == -(-table.length // 16)
        for sequence in live:
            assert sequence.table.length < len(sequence.tokens) <= 160
            assert sequence.tokens[sequence.prompt_length :] == self.said.get(sequence.id, sequence.reply)
        assert drafts.keys() <= {s.id for s in live}
        assert {s.id for s in live} == set(self.live)


def held(pair: Any) -> int:
    return sum(m.allocator.total - m.allocator.available for m in (pair.target, pair.draft))


@pytest.mark.parametrize(("seed", "operations"), [(1, 600), pytest.param(0, OPERATIONS, marks=pytest.mark.slow)])
def test_after_any_operations_every_block_is_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int, operations: int
) -> None:
    monkeypatch.setattr("engine.engine.give_back", lambda device: None)
    target = tiny.save(tiny.build("llama", num_hidden_layers=1), tmp_path / "target")
    draft = tiny.save(tiny.nudge(tiny.build("llama", num_hidden_layers=1), 0.04), tmp_path / "draft")
    memory = BLOCKS * 2 * (2 * 2 * 8 * 16 * 4)
    pair = load.load_pair(target, draft, "cpu", None, EngineConfig(kv_memory=memory), lambda event: None)
    assert pair.target.allocator.total == BLOCKS
    session = Session(pair, seed)
    for _ in range(operations):
        session.operate()
    while session.engine.busy:
        session.step()
    session.check()
    assert held(pair) == 0 and not session.asked
    wanted = {"length", "cancelled", "preempted", "stream", "refused"}
    if operations == OPERATIONS:
        wanted |= {"OutOfMemory", "close", "exhaust"}
    assert wanted <= {name for name, times in session.did.items() if times}, session.did
