"""The figures on the panels, folded from the engine's events and from nothing else."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from engine import Event
from engine.events import (
    Blocks,
    Counters,
    Cycle,
    DeviceMemory,
    Failed,
    Finished,
    Loaded,
    MemoryRead,
    Preempted,
    Prefilled,
    Started,
)

from .best_depth import Evidence
from .pool import Pool
from .speed import Speed

ROUNDS_KEPT = 64


@dataclass(slots=True)
class Speculating:
    """How drafting went in the reply that runs, or in the last one. Everything starts anew with each reply."""

    rounds: deque[Cycle] = field(default_factory=lambda: deque(maxlen=ROUNDS_KEPT))
    """The last cycles, oldest first."""
    cycles: int = 0
    emitted: int = 0
    drafted: int = 0
    accepted: int = 0
    drafted_at: list[int] = field(default_factory=list)
    """How often a token was drafted at each position of a cycle."""
    kept_at: list[int] = field(default_factory=list)
    """How often that token was kept."""

    def add(self, cycle: Cycle) -> None:
        self.rounds.append(cycle)
        self.cycles += 1
        self.emitted += len(cycle.emitted)
        self.drafted += len(cycle.drafted)
        self.accepted += cycle.accepted
        missing = len(cycle.drafted) - len(self.drafted_at)
        self.drafted_at += [0] * missing
        self.kept_at += [0] * missing
        for position, token in enumerate(cycle.drafted):
            self.drafted_at[position] += 1
            self.kept_at[position] += token.kept

    @property
    def acceptance(self) -> float | None:
        """accepted / drafted, as in `Usage.acceptance_rate`."""
        return self.accepted / self.drafted if self.drafted else None

    @property
    def mean_length(self) -> float | None:
        """Tokens a round, as in `Usage.mean_accepted_length`."""
        return self.emitted / self.cycles if self.cycles else None

    @property
    def by_position(self) -> list[float]:
        """For each position, kept / drafted there."""
        return [k / d for k, d in zip(self.kept_at, self.drafted_at, strict=True)]


@dataclass(frozen=True, slots=True)
class Split:
    """Device memory in parts that add up to `total`."""

    total: int
    target: int
    draft: int
    kv_used: int
    """The share of the pool's blocks that is not free, times the bytes of both pools."""
    kv_reserved: int
    """The rest of both pools."""
    other: int
    """total - free - the four parts above, never below zero."""
    free: int


class Figures:
    """All of it. `feed` takes every event in order; `version` grows with whatever can change a panel."""

    def __init__(self) -> None:
        self.version = 0
        self.reset()

    def reset(self) -> None:
        """Forget everything, as if no event had come."""
        self.version += 1
        self.loaded: Loaded | None = None
        self.memory: DeviceMemory | None = None
        self.counters: Counters | None = None
        self.speculating = Speculating()
        self.pool = Pool()
        self.speed = Speed()
        self.evidence = Evidence()

    def feed(self, event: Event) -> None:
        self.version += 1
        self.speed.feed(event)
        if isinstance(event, Loaded):
            self.loaded, self.memory = event, event.memory
            self.speculating, self.speed, self.evidence = Speculating(), Speed(), Evidence()
            self.pool = Pool(Blocks((), 0, 0, (), event.block_count, event.block_count, event.block_size))
        elif isinstance(event, Counters):
            self.counters = event
        elif isinstance(event, MemoryRead):
            self.memory = event.memory
        elif isinstance(event, Started):
            self.speculating, self.counters = Speculating(), None
            self.pool.start(event)
        elif isinstance(event, Prefilled):
            self.pool.see(event.request, event.blocks)
        elif isinstance(event, Cycle):
            self.speculating.add(event)
            self.evidence.add(event)
            self.pool.cycle(event)
        elif isinstance(event, Finished):
            self.pool.drop(event.request, event.blocks)
            self.pool.tokens = event.usage.prompt_tokens + event.usage.completion_tokens
        elif isinstance(event, Failed):
            self.pool.drop(event.request)
        elif isinstance(event, Preempted):
            self.pool.preempt(event.request)

    @property
    def outside(self) -> bool:
        """Whether another program generates: it tells of no blocks, drafts or memory, at most of counters."""
        return self.loaded is not None and self.loaded.block_count == 0

    def new_chat(self, tokens: int = 0) -> None:
        """Look at another conversation, of so many tokens; what the pool remembers and what was measured stay."""
        self.version += 1
        self.speculating = Speculating()
        self.pool = Pool(self.pool.blocks, tokens=tokens)
        self.speed.new_chat()

    def settle(self, blocks: Blocks) -> None:
        """The pool as what ran beside the chat has left it."""
        self.version += 1
        self.pool.blocks = blocks

    def split(self) -> Split | None:
        """Device memory as of the last reading; None before the first."""
        if self.loaded is None or self.memory is None:
            return None
        loaded, memory = self.loaded, self.memory
        draft = loaded.draft.bytes if loaded.draft else 0
        blocks = self.pool.blocks
        busy = (blocks.total - blocks.free) / blocks.total if blocks and blocks.total else 0.0
        used = round(loaded.kv_bytes * busy)
        known = loaded.target.bytes + draft + loaded.kv_bytes
        return Split(
            total=memory.total,
            target=loaded.target.bytes,
            draft=draft,
            kv_used=used,
            kv_reserved=loaded.kv_bytes - used,
            other=max(0, memory.total - memory.free - known),
            free=memory.free,
        )
