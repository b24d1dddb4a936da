"""One text being continued: its tokens, random numbers, statistics, and when it is finished."""

from __future__ import annotations

import time
from collections.abc import Sequence as Items
from dataclasses import dataclass, field

import torch
from torch import Tensor

from .config import Depth
from .depth import DepthController
from .dice import Dice
from .events import DraftSource, Emitted, FinishReason, Origin, Usage
from .kv.blocks import BlockTable
from .models.tokenizer import Detokenizer, Tokenizer
from .outbox import Outbox
from .request import Request
from .stops import StopMatcher

CONTEXT_TOKENS = 6
"""How much of a plain prompt decides how the first generated token reads."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Where generation ends, besides what the request says."""

    context: int
    eos: frozenset[int]


@dataclass(slots=True)
class Counts:
    cycles: int = 0
    drafted: int = 0
    accepted: int = 0
    first_cycle: int = 0
    """Tokens that came with the first cycle."""


@dataclass(slots=True, eq=False)
class Sequence:
    """A request that waits, runs or has finished. `tokens` is prompt and reply; the last never has its KV yet."""

    id: int
    request: Request
    tokens: list[int]
    table: BlockTable
    tokenizer: Tokenizer | None
    limits: Limits
    vocab: int
    device: torch.device
    submitted: float = field(default_factory=time.perf_counter)
    depth: Depth = 0
    controllers: dict[DraftSource, DepthController] = field(default_factory=dict)
    cancelled: bool = False
    outbox: Outbox | None = None
    """Where its events go; None gives them to whoever steps the engine."""
    overtaken: int = 0
    """How often a younger request started before this one."""
    reason: FinishReason | None = None
    cached: int = 0
    counts: Counts = field(default_factory=Counts)
    first_at: float | None = None
    last_at: float | None = None
    prefill_seconds: float = 0.0
    prefilled: bool = False
    started: bool = False
    text: str = ""
    prompt_length: int = 0
    dice: Dice = field(init=False)

    _seen: Tensor | None = None
    _marked: int = 0
    """Tokens that `_seen` knows of."""
    _detokenizer: Detokenizer | None = field(init=False)
    _stops: StopMatcher = field(init=False)

    def __post_init__(self) -> None:
        self.prompt_length = len(self.tokens)
        self.depth = self.request.speculation.depth
        self.dice = Dice(self.request.seed)
        plain = self.request.prompt is not None
        context = self.tokens[-CONTEXT_TOKENS:] if plain else ()
        self._detokenizer = Detokenizer(self.tokenizer, context) if self.tokenizer else None
        self._stops = StopMatcher(self.request.stop)

    @property
    def seen(self) -> Tensor | None:
        """Bool `[vocab]`: the tokens so far; None without a repetition penalty.

        Brought up to date when it is asked for: that may fail for want of memory, where taking a token must not.
        """
        if self.request.sampling.repetition_penalty == 1:
            return None
        if self._seen is None:
            self._seen = torch.zeros(self.vocab, dtype=torch.bool, device=self.device)
        if self._marked < len(self.tokens):
            new = torch.tensor(self.tokens[self._marked :], dtype=torch.long, device=self.device)
            self._seen[new] = True
            self._marked = len(self.tokens)
        return self._seen

    @property
    def reply(self) -> list[int]:
        return self.tokens[self.prompt_length :]

    @property
    def pending(self) -> int:
        """Tokens whose KV is still to be computed; the last one always is."""
        return len(self.tokens) - self.table.length

    @property
    def resting(self) -> bool:
        """Whether it waits for its reader."""
        return self.outbox is not None and self.outbox.resting

    @property
    def room(self) -> int:
        """How many tokens may still be added."""
        wanted = self.request.max_tokens
        left = self.limits.context - len(self.tokens)
        return left if wanted is None else min(left, wanted - (len(self.tokens) - self.prompt_length))

    def uniforms(self, count: int) -> Tensor:
        """The sequence's next random numbers `[count]` in [0, 1), on its device."""
        return self.dice.take(count).to(self.device)

    def accept(self, ids: Items[int], origins: Items[Origin], chances: Items[float | None]) -> list[Emitted]:
        """Take the tokens of a cycle, with the target's probability of each, up to the one that finishes the text."""
        now = time.perf_counter()
        emitted = []
        for token, origin, p in zip(ids, origins, chances, strict=True):
            self.tokens.append(token)
            emitted.append(Emitted(token, self._show(token), origin, p=p))
            if self.reason:
                break
        if self.first_at is None:
            self.first_at = now
            self.counts.first_cycle = len(emitted)
        self.last_at = now
        return emitted

    def finish(self, reason: FinishReason) -> None:
        """End from outside; text that was held back belongs to the reply after all."""
        if self.reason is None:
            self.reason = reason
            self.text += self._rest()

    def usage(self, peak_memory: int | None) -> Usage:
        c = self.counts
        decode = (self.last_at - self.first_at) if self.last_at and self.first_at else 0.0
        later = len(self.reply) - c.first_cycle
        return Usage(
            prompt_tokens=self.prompt_length,
            cached_tokens=self.cached,
            completion_tokens=len(self.reply),
            cycles=c.cycles,
            drafted=c.drafted,
            accepted=c.accepted,
            acceptance_rate=c.accepted / c.drafted if c.drafted else None,
            mean_accepted_length=len(self.reply) / c.cycles if c.cycles else None,
            ttft_s=self.first_at - self.submitted if self.first_at else None,
            decode_s=decode,
            decode_tokens_per_s=later / decode if later and decode else None,
            peak_memory=peak_memory,
        )

    def _show(self, token: int) -> str:
        """The text to show with the token just appended; sets `reason` when it is the last."""
        shown = ""
        if token in self.limits.eos:
            self.reason = "eos"
        elif self._detokenizer:
            shown, stopped = self._stops.push(self._detokenizer.push(token))
            if stopped:
                self.reason = "stop"
        if self.reason is None and self.room <= 0:
            self.reason = "context" if len(self.tokens) >= self.limits.context else "length"
        if self.reason and self.reason != "stop":
            shown += self._rest()
        self.text += shown
        return shown

    def _rest(self) -> str:
        if not self._detokenizer:
            return ""
        shown, stopped = self._stops.push(self._detokenizer.flush())
        return shown if stopped else shown + self._stops.flush()
