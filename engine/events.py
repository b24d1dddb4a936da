"""What the engine tells the world: one stream of typed events, each to and from JSON.

Panels, recordings, the HTTP stream, the benchmark and the tests all read these and nothing else.
Times are seconds, sizes are bytes, probabilities are of the processed distribution (see `Drafted`).
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from .rebuild import rebuild

Origin = Literal["draft", "correction", "bonus", "plain"]
FinishReason = Literal["eos", "stop", "length", "context", "cancelled", "error"]
DraftSource = Literal["model", "ngram"]
DrafterKind = Literal["model", "ngram", "chain"]
Rule = Literal["argmax", "block", "token"]
"""How drafts are judged: by the target's likeliest token (temperature 0), or by one of the two verifiers."""
Runs = tuple[tuple[int, int], ...]
"""Block numbers as (first, count) runs: consecutive blocks are the common case."""


@dataclass(frozen=True, slots=True)
class Drafted:
    """One proposed token.

    `q` and `p` are the draft's and the target's probability of it after temperature, top-k, top-p, min-p and penalty.
    At temperature 0, where the processed law is all or nothing, they are the models' own softmax probabilities.
    """

    id: int
    text: str
    q: float
    p: float
    kept: bool


@dataclass(frozen=True, slots=True)
class Emitted:
    """One token of the reply.

    `text` is what became showable with it: it may be empty (half a character, or a possible start of a stop
    string) or carry what earlier tokens held back. The texts of a request, in order, are the reply; only after a cancel
    may `Finished.text` end with more: what was held back then.
    """

    id: int
    text: str
    origin: Origin
    logprob: float | None = None
    """Natural log of its probability by the raw logits, before temperature and the rest; only if it was asked for."""
    top: tuple[tuple[int, float], ...] = ()
    """The likeliest tokens here, likeliest first, as (id, logprob)."""


@dataclass(frozen=True, slots=True)
class Blocks:
    """One request's KV blocks and the state of the target's pool."""

    table: Runs
    """Physical blocks in logical order."""
    length: int
    """Tokens of this sequence whose KV is in the pool."""
    shared: int
    """How many leading blocks of the table came from the prefix index."""
    cached: Runs
    """Blocks that no sequence holds but whose text is remembered for reuse."""
    free: int
    """Blocks never used or given back (without the cached ones)."""
    total: int
    size: int = 16
    """Tokens a block."""


@dataclass(frozen=True, slots=True)
class ModelInfo:
    name: str
    architecture: str
    """`model_type` of its configuration, such as `llama`."""
    parameters: int
    dtype: str
    bytes: int
    """Of the weights on the device."""
    layers: int
    context: int
    attention: str
    """How it reads the paged KV: `fused` or `paged` (views, no copies), `sdpa` or `eager` (gathered)."""


@dataclass(frozen=True, slots=True)
class DeviceMemory:
    """A reading of the device's memory. `other` is what programs besides this one and the known parts use."""

    total: int
    free: int
    process: int
    """What this process holds on the device (resident memory on a CPU)."""


@dataclass(frozen=True, slots=True)
class Usage:
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    cycles: int
    """Target forwards that produced tokens: draft-verify-accept rounds, plain steps included."""
    drafted: int
    accepted: int
    acceptance_rate: float | None
    """accepted / drafted; None when nothing was drafted."""
    mean_accepted_length: float | None
    """1 + accepted / cycles; None before the first cycle."""
    ttft_s: float | None
    """From submitting to the first token; None when there was none."""
    decode_s: float
    """From the end of the first cycle to the end of the last."""
    decode_tokens_per_s: float | None
    """Tokens of all cycles but the first over decode_s (the first cycle's came with the prefill); None if none."""
    peak_memory: int | None = None


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
    """The pool was full: this sequence gave its blocks back and waits; its text is kept and it goes on later."""

    kind: ClassVar[str] = "preempted"
    request: int


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
    for cls in (Loading, Loaded, Started, Prefilled, Cycle, Piece, Counters, Preempted, MemoryRead, Finished, Failed)
}


def from_json(data: dict[str, Any]) -> Event:
    """The event that `to_json` wrote. Raises ValueError for anything else."""
    kind = data.get("event")
    if kind not in EVENTS:
        raise ValueError(f"unknown event {kind!r}")
    event: Event = rebuild(EVENTS[kind], {k: v for k, v in data.items() if k != "event"})
    return event
