"""Which drafted tokens to keep and what comes next, so that the output's law is exactly the target's.

Pure tensors. For `depth` drafted tokens: `p` is `[depth + 1, vocab]` (row i: the target's law after i of them), `q` is
`[depth, vocab]` (row i: the law that token i was drawn from), `drafts` is `[depth]`.

* `token`: token-wise rejection sampling (Leviathan et al. 2023, algorithm 1; Chen et al. 2023, algorithm 2).
* `block`: block verification (Sun et al., ICLR 2025, algorithm 2), which keeps at least as many tokens.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from .config import Verifier
from .sampling import draw


class Ruling(NamedTuple):
    """The law of one verification, before any coin is thrown."""

    coins: Tensor
    """`[depth]`: the probability that coin i passes."""
    weights: Tensor
    """`[depth + 1]`: the scale of p in the residual after i kept tokens."""


class Verdict(NamedTuple):
    accepted: Tensor
    """`[]`: how many drafted tokens are kept."""
    next: Tensor
    """`[]`: the token after them: a correction, or the bonus when all are kept."""


def rule(p: Tensor, q: Tensor, drafts: Tensor, verifier: Verifier) -> Ruling:
    """The coins and residual weights of a verifier."""
    depth = drafts.shape[0]
    drawn = drafts[:, None]
    ratios = (p[:depth].gather(1, drawn) / q.gather(1, drawn)).squeeze(1)
    one = torch.ones((), dtype=p.dtype, device=p.device)
    if verifier == "token":
        return Ruling(ratios.clamp(max=1), one.expand(depth + 1))
    weights = [one]
    for i in range(depth):
        weights.append(torch.minimum(one, weights[-1] * ratios[i]))
    weight = torch.stack(weights)
    if depth == 0:
        return Ruling(ratios, weight)
    inner = weight[1:depth]
    surplus = (inner[:, None] * p[1:depth] - q[1:]).clamp(min=0).sum(-1)
    rest = surplus + (1 - inner)
    # Both are 0 only where p equals q and everything so far was kept: then the coin is certain.
    passing = torch.where(rest > 0, surplus / torch.where(rest > 0, rest, one), one)
    return Ruling(torch.cat((passing, weight[depth:])), weight)


def kept(passed: Tensor, verifier: Verifier) -> Tensor:
    """How many tokens are kept `[]`, given which coins passed (bool `[depth]`).

    Token-wise stops at the first coin that fails; block keeps up to the last coin that passes.
    """
    if verifier == "token":
        return ((~passed).cumsum(0) == 0).sum()
    place = torch.arange(1, passed.shape[0] + 1, device=passed.device)
    return torch.cat((place.new_zeros(1), torch.where(passed, place, 0))).amax()


def residual(p: Tensor, q: Tensor, ruling: Ruling, accepted: Tensor) -> Tensor:
    """Unnormalised law `[vocab]` of the next token after `accepted` kept tokens."""
    at = accepted.reshape(1)
    law = p.index_select(0, at)[0]
    depth = q.shape[0]
    if depth == 0:
        return law
    drafted = q.index_select(0, at.clamp(max=depth - 1))[0]
    left = (ruling.weights.index_select(0, at) * law - drafted).clamp(min=0)
    # A residual of nothing is met only by rounding: p equals q there, so p itself is the law.
    use_law = (accepted == depth) | (left.sum() <= 0)
    return torch.where(use_law, law, left)


def verify(p: Tensor, q: Tensor, drafts: Tensor, uniforms: Tensor, verifier: Verifier) -> Verdict:
    """Throw the coins. `uniforms` is `[depth + 1]` in [0, 1): one a coin, the last draws the next token."""
    depth = drafts.shape[0]
    if depth == 0:
        return Verdict(drafts.new_zeros(()), draw(p[0], uniforms[0]))
    ruling = rule(p, q, drafts, verifier)
    # `<`, not `<=`: a uniform of exactly 0 must not keep a token that the target cannot say.
    accepted = kept(uniforms[:depth] < ruling.coins, verifier)
    return Verdict(accepted, draw(residual(p, q, ruling, accepted), uniforms[depth]))


def verify_greedy(choices: Tensor, drafts: Tensor) -> Verdict:
    """The same at temperature 0, where p and q are one-hot. `choices` is `[depth + 1]`: the target's argmax a row."""
    depth = drafts.shape[0]
    if depth == 0:
        return Verdict(drafts.new_zeros(()), choices[0])
    accepted = (choices[:depth] == drafts).cumprod(0).sum()
    return Verdict(accepted, choices.index_select(0, accepted.reshape(1))[0])
