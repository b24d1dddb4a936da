"""The one function that turns logits into a distribution, used for the draft's q and the target's p alike."""

from __future__ import annotations

import torch
from torch import Tensor

from .config import Sampling

COLD = 1e-3
"""Below this temperature logits divided by it could overflow."""
LEAST = 1e-6
"""A top_p that keeps one token: what is 0 in float32 would keep none. Of a penalty, as small as float32 bears."""


def penalise(logits: Tensor, sampling: Sampling, seen: Tensor | None) -> Tensor:
    """Logits `[rows, vocab]` in float32 with the repetition penalty applied to `seen` tokens (bool `[rows, vocab]`).

    The penalty divides positive and multiplies negative logits (Keskar et al. 2019, CTRL, section 4.1).
    """
    logits = logits.float() if logits.dtype != torch.float64 else logits
    if seen is None or sampling.repetition_penalty == 1:
        return logits
    penalty = min(max(sampling.repetition_penalty, LEAST), 1 / LEAST)
    return torch.where(seen, torch.where(logits > 0, logits / penalty, logits * penalty), logits)


def distribution(logits: Tensor, sampling: Sampling, seen: Tensor | None = None) -> Tensor:
    """Probabilities `[rows, vocab]` of the next token: penalty, temperature, top-k, top-p, min-p, in that order.

    `logits` is `[rows, vocab]`. At temperature 0 each row is one-hot at its first maximum.
    """
    logits = penalise(logits, sampling, seen)
    if sampling.greedy:
        return torch.zeros_like(logits).scatter(-1, logits.argmax(-1, keepdim=True), 1.0)
    if sampling.temperature < COLD:
        # From the maximum down, so that a tiny temperature gives -inf and not the NaN of inf - inf.
        logits = logits - logits.amax(-1, keepdim=True)
    if sampling.temperature != 1:
        logits = logits / max(sampling.temperature, 1e-30)
    if 0 < sampling.top_k < logits.shape[-1]:
        kth = logits.topk(sampling.top_k, dim=-1).values[..., -1:]
        logits = torch.where(logits < kth, float("-inf"), logits)
    probs = logits.softmax(-1)
    if sampling.top_p >= 1 and sampling.min_p <= 0:
        return probs
    if sampling.top_p < 1:
        probs = _nucleus(probs, max(sampling.top_p, LEAST))
    if sampling.min_p > 0:
        probs = torch.where(probs < sampling.min_p * probs.amax(-1, keepdim=True), 0.0, probs)
    return probs / probs.sum(-1, keepdim=True)


def _nucleus(probs: Tensor, top_p: float) -> Tensor:
    """Zero all but the smallest set of likeliest tokens that reaches top_p (Holtzman et al. 2020, section 3.1)."""
    ordered, index = probs.sort(dim=-1, descending=True)
    before = ordered.cumsum(-1) - ordered
    return torch.zeros_like(probs).scatter(-1, index, torch.where(before < top_p, ordered, 0.0))


def chances(logits: Tensor, ids: Tensor) -> Tensor:
    """The softmax probability `[rows]` of one token a row, of logits `[rows, vocab]`."""
    return logits.softmax(-1).gather(1, ids[:, None]).squeeze(1)


def draw(weights: Tensor, u: Tensor) -> Tensor:
    """The index `[]` that uniform `u` in [0, 1) picks from unnormalised `weights` `[vocab]`; never one of weight 0."""
    cdf = weights.cumsum(-1)
    total = cdf[-1]
    if cdf.device.type == "cpu":  # The same by bisection: sums in order never fall, which those of a GPU may.
        return torch.minimum(torch.searchsorted(cdf, u * total, right=True), torch.searchsorted(cdf, total))
    # u * total may round up to total: the second term is the last index that still has weight.
    return torch.minimum((cdf <= u * total).sum(), (cdf < total).sum())


def seen_rows(seen: Tensor | None, drafts: Tensor) -> Tensor | None:
    """The seen tokens of every row of a verification, bool `[depth + 1, vocab]`: row i has seen the drafts before i.

    `seen` is bool `[vocab]`, or None when there is no penalty; `drafts` is `[depth]`.
    """
    if seen is None:
        return None
    every = torch.arange(seen.shape[0]).to(seen.device)
    said = torch.cat((seen.new_zeros(1, seen.shape[0]), drafts[:, None] == every)).float()
    return (said.cumsum(0) > 0) | seen
