"""Verification of one sequence's drafts by the target's logits, and what the host is told of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from .drafters.base import Proposal
from .sampling import chances, distribution, penalise, seen_rows
from .sequence import Sequence
from .verify import Verdict, verify, verify_greedy


@dataclass(frozen=True, slots=True)
class Score:
    """Verification of one sequence, still on the device."""

    drafts: Tensor
    verdict: Verdict
    q: Tensor
    p: Tensor
    raw: Tensor | None
    """`[1 + 2n, depth + 1]` where log probabilities were asked for: of what may be emitted, then the ids and the log
    probabilities of the n likeliest; all of the raw logits, before temperature and the rest."""

    def flat(self) -> Tensor:
        """Everything the host wants to know, as one tensor: float32 holds token ids exactly up to 2**24."""
        verdict = torch.stack((self.verdict.accepted, self.verdict.next))
        parts = [verdict, self.drafts, self.q, self.p] if len(self.drafts) else [verdict]
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
    def parse(cls, values: list[float], depth: int) -> Told:
        drafts, q, p = (values[2 + i * depth : 2 + (i + 1) * depth] for i in range(3))
        rest = values[2 + 3 * depth :]
        raw = [rest[at : at + depth + 1] for at in range(0, len(rest), depth + 1)]
        return cls(int(values[0]), int(values[1]), [int(t) for t in drafts], q, p, raw)

    @property
    def kept(self) -> list[int]:
        """The tokens to emit."""
        return [*self.drafts[: self.accepted], self.follower]

    def logprob(self, place: int) -> float | None:
        """Of the emitted token at `place`; None unless asked for."""
        return self.raw[0][place] if self.raw else None

    def likeliest(self, place: int) -> tuple[tuple[int, float], ...]:
        """(id, log probability) of the likeliest tokens at `place`, the likeliest first."""
        count = len(self.raw) // 2
        return tuple((int(self.raw[1 + i][place]), self.raw[1 + count + i][place]) for i in range(count))


def score(sequence: Sequence, logits: Tensor, proposal: Proposal | None) -> Score:
    """Verify a proposal (None is a plain step) by logits `[depth + 1, vocab]`."""
    sampling = sequence.request.sampling
    drafts = proposal.tokens if proposal else torch.empty(0, dtype=torch.long, device=logits.device)
    depth = len(drafts)
    seen = seen_rows(sequence.seen, drafts)
    chance = proposal.chance if proposal else drafts.float()
    if sampling.greedy:
        law = penalise(logits, sampling, seen)
        verdict = verify_greedy(law.argmax(-1), drafts)
        p = chances(law[:depth], drafts) if depth else chance
        return Score(drafts, verdict, chance, p, _raw(sequence, logits, drafts, verdict))
    p = distribution(logits, sampling, seen)
    verifier = sequence.request.speculation.verifier
    q = proposal.q if proposal else p[:0]
    if q is None:
        q = torch.zeros_like(p[:depth]).scatter(1, drafts[:, None], 1.0)
        verifier = "token"
    verdict = verify(p, q, drafts, sequence.uniforms(depth + 1), verifier)
    judged = p[:depth].gather(1, drafts[:, None]).squeeze(1)
    return Score(drafts, verdict, chance, judged, _raw(sequence, logits, drafts, verdict))


def to_host(scores: Iterable[Score]) -> list[Told]:
    """One transfer for all sequences."""
    scores = list(scores)
    parts = [s.flat() for s in scores]
    values: list[float] = (torch.cat(parts) if len(parts) > 1 else parts[0]).tolist() if parts else []
    out, at = [], 0
    for part, scored in zip(parts, scores, strict=True):
        out.append(Told.parse(values[at : at + len(part)], len(scored.drafts)))
        at += len(part)
    return out


def _raw(sequence: Sequence, logits: Tensor, drafts: Tensor, verdict: Verdict) -> Tensor | None:
    """As in `Score.raw`, with the token that follows in the place after the accepted ones."""
    count = sequence.request.logprobs
    if count is None:
        return None
    logits = logits.float()
    follower = verdict.next.reshape(1)
    said = torch.cat((drafts, follower)).scatter(0, verdict.accepted.reshape(1), follower)
    laws = logits.log_softmax(-1)
    top = laws.topk(count, dim=-1)
    return torch.cat((laws.gather(1, said[:, None]).T, top.indices.T.float(), top.values.T))
