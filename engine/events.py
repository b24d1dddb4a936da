"""What the engine tells the world: one stream of typed events, each to and from JSON.

Panels, recordings, the HTTP stream, the benchmark and the tests all read these and nothing else.
Times are seconds, sizes are bytes, probabilities are of the processed distribution (see `Drafted`).
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, ClassVar

from .errors import shown
from .facts import (
    Blocks,
    DeviceMemory,
    Drafted,
    DrafterKind,
    DraftSource,
    Emitted,
    FinishReason,
    Measure,
    ModelInfo,
    Origin,
    PoolRule,
    PreemptReason,
    Rule,
    Runs,
    TimingSource,
    Usage,
)
from .rebuild import rebuild

__all__ = [
    "EVENTS",
    "Blocks",
    "Counters",
    "Cycle",
    "DeviceMemory",
    "DraftSource",
    "Drafted",
    "DrafterKind",
    "Emitted",
    "Event",
    "Failed",
    "FinishReason",
    "Finished",
    "Loaded",
    "Loading",
    "Measure",
    "MemoryRead",
    "ModelInfo",
    "Origin",
    "Piece",
    "PoolRule",
    "PreemptReason",
    "Preempted",
    "Prefilled",
    "Rule",
    "Runs",
    "Shortage",
    "Started",
    "Usage",
    "from_json",
]


@dataclass(frozen=True, slots=True)
class Event:
    """The family. `request` is the number that `Engine.submit` gave, None for what concerns no request."""

    kind: ClassVar[str] = "event"

    def to_json(self) -> dict[str, Any]:
        return {"event": self.kind, **dataclasses.asdict(self)}


@dataclass(frozen=True, slots=True)
class Loading(Event):
    """Progress of a load: `done` of `total` bytes or steps (0 of 0 when unknown)."""

    kind: ClassVar[str] = "loading"
    stage: str
    done: int = 0
    total: int = 0


@dataclass(frozen=True, slots=True)
class Loaded(Event):
    kind: ClassVar[str] = "loaded"
    device: str
    device_name: str
    target: ModelInfo
    draft: ModelInfo | None
    context: int
    """Tokens a conversation may have, prompt and reply together."""
    block_count: int
    block_size: int
    kv_bytes: int
    """Reserved for both pools."""
    target_block_bytes: int
    draft_block_bytes: int
    seconds: float
    memory: DeviceMemory
    drafter: DrafterKind | None = None
    """Who drafts, None when nobody does."""
    timings: TimingSource | None = None
    """Where the first figures for depth "auto" come from: this start, or an earlier one. None when nobody drafts."""
    graphs: str | None = None
    """On CUDA: "replayed" where forwards of few rows are CUDA graphs, else why they are not. None elsewhere."""
    pool_rule: PoolRule | None = None
    """Why the pools are as large as they are; None in older recordings."""


@dataclass(frozen=True, slots=True)
class Started(Event):
    """A request left the queue. `cached_tokens` of its prompt need no prefill: the prefix index had them."""

    kind: ClassVar[str] = "started"
    request: int
    prompt_tokens: int
    cached_tokens: int
    depth: int | None
    """As asked for; None when the controller chooses it anew in every cycle."""
    blocks: Blocks
    question: str | None = None
    """What was asked: the last message or the prompt, so that a recording can be read; None for token ids."""
    rule: Rule | None = None
    """N-grams are judged by `token` whenever it is not `argmax`. None in older recordings."""


@dataclass(frozen=True, slots=True)
class Prefilled(Event):
    """The prompt is in the KV pools. Its last forward also verified the first drafts, so that cycle's event follows."""

    kind: ClassVar[str] = "prefilled"
    request: int
    tokens: int
    seconds: float
    blocks: Blocks


@dataclass(frozen=True, slots=True)
class Cycle(Event):
    """One draft-verify-accept round of one sequence, or one plain token at depth 0.

    `depth` is what the cycle aimed at, within the room there was; `drafted` may be shorter still (a full draft pool).
    `blocks.table` is after rollback; `peak_blocks` is how many blocks the sequence held while the drafted tokens were
    in flight. In a batch the seconds are those of the whole step.
    """

    kind: ClassVar[str] = "cycle"
    request: int
    index: int
    depth: int
    drafted: tuple[Drafted, ...]
    accepted: int
    emitted: tuple[Emitted, ...]
    draft_seconds: float
    verify_seconds: float
    seconds: float
    """The whole step, with sampling and bookkeeping."""
    blocks: Blocks
    peak_blocks: int
    drafter: DraftSource | None = None
    """Who drafted; None in a plain cycle."""
    reason: str = ""
    """In one phrase why the depth is what it is, when the controller chose it."""
    prompt_rows: int = 0
    """Prompt tokens computed in the same target forward: they lengthen the first cycle's verify_seconds."""
    batch: int = 1
    """Sequences that shared this step's target forward."""
    in_flight: Runs = ()
    """Physical blocks held for drafted tokens in this cycle and given back by its rollback."""


@dataclass(frozen=True, slots=True)
class Piece(Event):
    """Some text of a reply that another program generates and tells no more of: no rounds, no origins."""

    kind: ClassVar[str] = "piece"
    request: int
    text: str
    seconds: float
    """Since the piece before it; of the first, since the question."""


@dataclass(frozen=True, slots=True)
class Counters(Event):
    """What another program's metrics counted since the question, of all its requests; None where it does not count."""

    kind: ClassVar[str] = "counters"
    request: int
    drafts: int | None = None
    """Draft-verify rounds."""
    drafted: int | None = None
    accepted: int | None = None
    accepted_at: tuple[int, ...] = ()
    """Accepted tokens by their place in the draft."""
    kv_usage: float | None = None
    """Share of its KV cache in use now."""


@dataclass(frozen=True, slots=True)
class Preempted(Event):
    """This sequence gave its blocks back and waits; its text is kept and it goes on later."""

    kind: ClassVar[str] = "preempted"
    request: int
    reason: PreemptReason = "pool"
    """The `pool` was full, the `device` had no memory, or the `reader` takes its events too slowly."""


@dataclass(frozen=True, slots=True)
class Shortage(Event):
    """The device had no memory for a step, and what was done about it. No text is lost by it."""

    kind: ClassVar[str] = "shortage"
    measure: Measure
    message: str
    """The same in one sentence for a person."""


@dataclass(frozen=True, slots=True)
class MemoryRead(Event):
    """A reading of device memory, at most every half second while something runs."""

    kind: ClassVar[str] = "memory"
    memory: DeviceMemory


@dataclass(frozen=True, slots=True)
class Finished(Event):
    kind: ClassVar[str] = "finished"
    request: int
    reason: FinishReason
    text: str
    usage: Usage
    blocks: Blocks
    """Of the pool after the sequence gave its blocks back: `table` is empty."""


@dataclass(frozen=True, slots=True)
class Failed(Event):
    kind: ClassVar[str] = "failed"
    request: int | None
    error: str
    """The name of a class in `engine.errors`."""
    message: str
    """One sentence that says what to do."""


EVENTS: dict[str, type[Event]] = {
    cls.kind: cls
    for cls in (
        Loading,
        Loaded,
        Started,
        Prefilled,
        Cycle,
        Piece,
        Counters,
        Preempted,
        Shortage,
        MemoryRead,
        Finished,
        Failed,
    )
}


def from_json(data: dict[str, Any]) -> Event:
    """The event that `to_json` wrote. Raises ValueError for anything else."""
    kind = data.get("event") if isinstance(data, dict) else None
    if not isinstance(kind, str) or kind not in EVENTS:
        raise ValueError(f"unknown event {shown(kind)}")
    event: Event = rebuild(EVENTS[kind], {k: v for k, v in data.items() if k != "event"})
    return event
