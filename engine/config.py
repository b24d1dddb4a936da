"""Settings, frozen and checked when they are made: a bad value raises InvalidRequest with one clear sentence."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from .errors import InvalidRequest, shown

MAX_DEPTH = 16
"""The deepest speculation: drafted tokens a cycle."""

Verifier = Literal["block", "token"]
Fit = Literal["refuse", "shrink", "ignore"]
Layout = Literal["slab", "blocks"]
"""Where the KV lives: in a slab a layer, or in a tensor a block."""
KV = Literal["auto", "slab", "blocks"]
DrafterName = Literal["auto", "model", "ngram", "chain"]
Depth = int | Literal["auto"]
"""Tokens to draft in a cycle, or "auto": what measured costs and acceptance say is fastest, 0 included."""


def _number(name: str, value: object, low: float, high: float = math.inf, *, whole: bool = False) -> None:
    """Refuse anything but a finite number in [low, high]."""
    kind = int if whole else (int, float)
    # Not `isfinite` of an integer: a huge one is no float.
    endless = isinstance(value, float) and not math.isfinite(value)
    if isinstance(value, bool) or not isinstance(value, kind) or endless:
        raise InvalidRequest(f"{name} must be a {'whole ' if whole else ''}number, not {shown(value)}.")
    if isinstance(value, int) and abs(value) >= 2**63:
        # Neither torch nor a float can hold it, and Python writes out no number of 5,000 digits.
        raise InvalidRequest(f"{name} has far too many digits; give a smaller number.")
    if not low <= value <= high:
        span = f"{low:g} or more" if math.isinf(high) else f"from {low:g} to {high:g}"
        raise InvalidRequest(f"{name} is {value:g}, but it must be {span}.")


@dataclass(frozen=True, slots=True)
class Sampling:
    """How a token is drawn from the logits. Temperature 0 is greedy: always the likeliest token."""

    temperature: float = 0.0
    top_k: int = 0
    """Keep the k likeliest tokens; 0 keeps all."""
    top_p: float = 1.0
    """Keep the smallest set of likeliest tokens whose probability reaches top_p; 1 keeps all."""
    min_p: float = 0.0
    """Keep tokens at least min_p times as likely as the likeliest; 0 keeps all."""
    repetition_penalty: float = 1.0
    """Divide positive (multiply negative) logits of tokens already in the text; 1 leaves them."""

    def __post_init__(self) -> None:
        _number("temperature", self.temperature, 0)
        _number("top_k", self.top_k, 0, whole=True)
        _number("top_p", self.top_p, 0, 1)
        _number("min_p", self.min_p, 0, 1)
        _number("repetition_penalty", self.repetition_penalty, 0)
        if self.top_p == 0:
            raise InvalidRequest("top_p is 0, but it must be above 0; use temperature 0 for greedy decoding.")
        if self.repetition_penalty == 0:
            raise InvalidRequest("repetition_penalty is 0, but it must be above 0; 1 switches it off.")

    @property
    def greedy(self) -> bool:
        return self.temperature == 0


@dataclass(frozen=True, slots=True)
class Speculation:
    """How far to draft in a cycle and how to verify it. Depth 0 is baseline: plain decoding in the same loop."""

    depth: Depth = 4
    verifier: Verifier = "block"

    def __post_init__(self) -> None:
        check_depth(self.depth)
        if self.verifier not in ("block", "token"):
            raise InvalidRequest(f'verifier must be "block" or "token", not {shown(self.verifier)}.')


def check_depth(depth: Depth) -> None:
    """Raise InvalidRequest unless depth is "auto" or 0 <= depth <= MAX_DEPTH."""
    if depth == "auto":
        return
    _number("speculation depth", depth, 0, MAX_DEPTH, whole=True)


@dataclass(frozen=True, slots=True)
class EngineConfig:
    """What is fixed for the life of an engine."""

    kv_memory: int | None = None
    """Bytes for the KV pools of target and draft together; None takes a share of the free memory."""
    max_context: int | None = None
    """Use less context than the model has; None uses all of it."""
    fit: Fit = "refuse"
    """What to do with models too large for the free memory: `refuse` them and offer a smaller plan, `shrink` them to
    the first plan that fits (narrower numbers, less context, no draft), or `ignore` the estimate and try."""
    max_running: int = 16
    """Sequences decoded together; more wait."""
    prefill_chunk: int = 512
    """Prompt tokens in one forward, of all requests together: a long prompt holds up nobody, nor a cancel."""
    row_budget: int = 64
    """Rows of one forward besides those of prompts: one for each request that decodes, and drafts of depth "auto"."""
    drafter: DrafterName = "model"
    """Who drafts: the draft `model` (nobody where there is none), `ngram`s of the text itself, n-grams before the model
    (`chain`), or `auto`: the chain where there is a draft model, else n-grams."""
    prefix_cache: bool = True
    """Keep the KV of finished text for the next request that begins with it."""
    exact: bool = False
    """Bit-identical logits at every depth, in every company, whatever was cached (tested on CPUs). Every forward of the
    target then has 8 rows: hardly dearer in int8, two to three times as dear for plain decoding in float32."""
    allow_pickle: bool = False
    """Take weights that are only pickles (*.bin). They are read without running what they carry, but by older code."""
    trust_remote_code: bool = False
    """Run the Python code that comes with a model whose architecture transformers does not know."""

    kv: KV = "auto"
    """Where the KV lives: `auto` is what the device needs (`Device.kv`)."""

    def __post_init__(self) -> None:
        if self.kv_memory is not None:
            _number("kv_memory", self.kv_memory, 1, whole=True)
        if self.max_context is not None:
            _number("max_context", self.max_context, 2, whole=True)
        if self.fit not in ("refuse", "shrink", "ignore"):
            raise InvalidRequest(f"fit is {shown(self.fit)}, but it must be refuse, shrink or ignore.")
        if self.drafter not in ("auto", "model", "ngram", "chain"):
            raise InvalidRequest(f"There is no drafter {shown(self.drafter)}; use auto, model, ngram or chain.")
        if self.kv not in ("auto", "slab", "blocks"):
            raise InvalidRequest(f"There is no store {shown(self.kv)} for the KV; use auto, slab or blocks.")
        if self.exact and self.kv == "blocks":
            raise InvalidRequest("exact needs the KV in slabs; leave kv out, or exact.")
        _number("max_running", self.max_running, 1, whole=True)
        _number("prefill_chunk", self.prefill_chunk, 1, whole=True)
        _number("row_budget", self.row_budget, 1, whole=True)
