"""What events are made of: tokens, blocks, models, memory and the figures of a finished reply."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Origin = Literal["draft", "correction", "bonus", "plain"]
FinishReason = Literal["eos", "stop", "length", "context", "cancelled", "error"]
DraftSource = Literal["model", "ngram"]
DrafterKind = Literal["model", "ngram", "chain"]
TimingSource = Literal["measured", "remembered"]
Rule = Literal["argmax", "block", "token"]
"""How drafts are judged: by the target's likeliest token (temperature 0), or by one of the two verifiers."""
PreemptReason = Literal["pool", "device", "reader"]
PoolRule = Literal["asked", "chats", "share"]
"""What decided how large the KV pool is: what was `asked` for, what `chats` want, or the `share` of the free memory."""
Measure = Literal["returned", "restrained", "fewer"]
"""Against a shortage: memory that was unused is `returned` to the device, steps are `restrained` (no drafts, prompts in
small pieces), and `fewer` requests run together."""
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
    p: float | None = None
    """The target's probability of it, as in `Drafted`. None in older recordings, and for a plain token at
    temperature 0, where nobody works it out."""


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
    """How it reads the paged KV: `fused` or `paged` (views, no copies), `sdpa` or `eager` (gathered),
    or that it keeps a `state` instead."""


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
    """completion_tokens / cycles; None before the first cycle. In most rounds 1 + accepted: a token drafted at the very
    end has none after it."""
    ttft_s: float | None
    """From submitting to the first token; None when there was none."""
    decode_s: float
    """From the end of the first cycle to the end of the last."""
    decode_tokens_per_s: float | None
    """Tokens of all cycles but the first over decode_s (the first cycle's came with the prefill); None if none."""
    peak_memory: int | None = None
