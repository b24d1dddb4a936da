"""Verification of one sequence's drafts by the target's logits, and what the host is told of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from collections.abc import Sequence as Items
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from .drafters.base import Proposal
from .sampling import distribution, penalise, seen_rows
from .sequence import Sequence
from .verify import Verdict, verify, verify_greedy


class Weighed(NamedTuple):
    """What decides about one sequence's drafts, before anything is decided."""

    p: Tensor
    """`[depth + 1, vocab]`: the target's law of each row; at temperature 0 its penalised logits."""
    q: Tensor | None
    """`[depth, vocab]`: the law that each draft was drawn from; None where it is one-hot or there is no draft."""
    drafts: Tensor
    chance: Tensor
    """`[depth]`: the drafter's probability of each draft."""
    logits: Tensor | None
    """`[depth + 1, vocab]`, raw, where log probabilities were asked for."""


@dataclass(frozen=True, slots=True)
class Score:
    """Verification of one sequence, still on the device."""

    drafts: Tensor
    verdict: Verdict
    q: Tensor
    p: Tensor
    """`[depth + 1]`: of each draft and of the token after the kept ones; empty for a plain token at temperature 0."""
    raw: Tensor | None
    """`[1 + 2n, depth + 1]` where log probabilities were asked for: of what may be emitted, then the ids and the log
    probabilities of the n likeliest; all of the raw logits, before temperature and the rest."""

    def flat(self) -> Tensor:
        """Everything the host wants to know, as one tensor: float32 holds token ids exactly up to 2**24."""
        verdict = torch.stack((self.verdict.accepted, self.verdict.next))
        parts = [verdict, self.drafts, self.q, self.p] if len(self.p) else [verdict]
        if self.raw is not None:
            parts.append(self.raw.flatten())
        return torch.cat([part.float() for part in parts])


@dataclass(frozen=True, slots=True)
class Told:
    """The same on the host."""

    accepted: int
    follower: int
    """The token after the accepted ones."""
    drafts: list[int]
    q: list[float]
    p: list[float]
    raw: list[list[float]]

    @classmethod
    def parse(cls, values: list[float], depth: int, chances: int) -> Told:
        """`chances` is how many there are of `p`."""
        drafts, q = (values[2 + i * depth : 2 + (i + 1) * depth] for i in range(2))
        p = values[2 + 2 * depth : 2 + 2 * depth + chances]
        rest = values[2 + 2 * depth + chances :]
        raw = [rest[at : at + depth + 1] for at in range(0, len(rest), depth + 1)]
        return cls(int(values[0]), int(values[1]), [int(t) for t in drafts], q, p, raw)

    @property
    def kept(self) -> list[int]:
        """The tokens to emit."""
        return [*self.drafts[: self.accepted], self.follower]

    @property
    def chances(self) -> list[float | None]:
        """The target's probability of each token to emit; None where it was not worked out."""
        return [*self.p[: self.accepted], self.p[-1]] if self.p else [None] * (self.accepted + 1)

    def logprob(self, place: int) -> float | None:
        """Of the emitted token at `place`; None unless asked for."""
        return self.raw[0][place] if self.raw else None

    def likeliest(self, place: int) -> tuple[tuple[int, float], ...]:
        """(id, log probability) of the likeliest tokens at `place`, the likeliest first."""
        count = len(self.raw) // 2
        return tuple((int(self.raw[1 + i][place]), self.raw[1 + count + i][place]) for i in range(count))


def weigh(sequence: Sequence, logits: Tensor, proposal: Proposal | None) -> Weighed:
    """Target logits `[depth + 1, vocab]` and a proposal (None is a plain step) as what decides, on their device."""
    sampling = sequence.request.sampling
    drafts = proposal.tokens if proposal else torch.empty(0, dtype=torch.long, device=logits.device)
    chance = proposal.chance if proposal else drafts.float()
    seen = seen_rows(None if sequence.seen is None else sequence.seen.to(logits.device), drafts)
    p = penalise(logits, sampling, seen) if sampling.greedy else distribution(logits, sampling, seen)
    raw = None if sequence.request.logprobs is None else logits.float()
    return Weighed(p, proposal.q if proposal else None, drafts, chance, raw)


def bring(weighed: Items[Weighed]) -> list[Weighed]:
    """The same on the CPU: one transfer for all sequences, and the only thing that a cycle waits for."""
    tensors = [t for w in weighed for t in w if t is not None]
    if not tensors:
        return []
    # float32 holds token ids exactly up to 2**24.
    flat = torch.cat([t.float().flatten() for t in tensors]).cpu()
    here: Iterator[Any] = iter(
        part.view(t.shape).to(t.dtype)
        for part, t in zip(flat.split([t.numel() for t in tensors]), tensors, strict=True)
    )
    return [Weighed._make(None if t is None else next(here) for t in w) for w in weighed]


def score(sequence: Sequence, weighed: Weighed) -> Score:
    """Verify a proposal by its weights, on the device that they are on."""
    p, q, drafts, chance, logits = weighed
    depth = len(drafts)
    if sequence.request.sampling.greedy:
        verdict = verify_greedy(p.argmax(-1), drafts)
        judged = _chances(p.softmax(-1), drafts, verdict) if depth else chance
        return Score(drafts, verdict, chance, judged, _raw(sequence, logits, drafts, verdict))
    verifier = sequence.request.speculation.verifier
    if depth and q is None:
        q = torch.zeros_like(p[:depth]).scatter(1, drafts[:, None], 1.0)
        verifier = "token"
    verdict = verify(p, p[:0] if q is None else q, drafts, sequence.uniforms(depth + 1), verifier)
    return Score(drafts, verdict, chance, _chances(p, drafts, verdict), _raw(sequence, logits, drafts, verdict))


def to_host(scores: Iterable[Score]) -> list[Told]:
    """One transfer for all sequences."""
    scores = list(scores)
    parts = [s.flat() for s in scores]
    values: list[float] = (torch.cat(parts) if len(parts) > 1 else parts[0]).tolist() if parts else []
    out, at = [], 0
    for part, scored in zip(parts, scores, strict=True):
        out.append(Told.parse(values[at : at + len(part)], len(scored.drafts), len(scored.p)))
        at += len(part)
    return out


def _chances(law: Tensor, drafts: Tensor, verdict: Verdict) -> Tensor:
    """By the target's law `[depth + 1, vocab]`, as in `Score.p`."""
    last = law.index_select(0, verdict.accepted.reshape(1)).gather(1, verdict.next.reshape(1, 1))
    return torch.cat((law[: len(drafts)].gather(1, drafts[:, None]), last)).squeeze(1)


def _raw(sequence: Sequence, logits: Tensor | None, drafts: Tensor, verdict: Verdict) -> Tensor | None:
    """As in `Score.raw`, with the token that follows in the place after the accepted ones."""
    count = sequence.request.logprobs
    if count is None or logits is None:
        return None
    follower = verdict.next.reshape(1)
    said = torch.cat((drafts, follower)).scatter(0, verdict.accepted.reshape(1), follower)
    laws = logits.log_softmax(-1)
    top = laws.topk(count, dim=-1)
    return torch.cat((laws.gather(1, said[:, None]).T, top.indices.T.float(), top.values.T))
