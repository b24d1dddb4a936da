"""A drafter whose acceptance is set: it pays for a real draft and proposes what the target is known to say.

It shows what the engine makes of a given acceptance at a given size, where no pair of that size and acceptance is at
hand. It knows the text from a run of baseline, so its figures say nothing about any model's wit.
"""

from __future__ import annotations

from collections.abc import Sequence as Items
from dataclasses import replace

import torch

from ..drafters.base import Drafter, Enough, Plan, Proposal
from ..events import DrafterKind
from ..sequence import Sequence


class SetAcceptance:
    """Runs `inner` for its cost; each token is the target's own with probability `alpha`, else surely another."""

    kind: DrafterKind = "model"

    def __init__(self, inner: Drafter, alpha: float, vocab: int, seed: int = 0) -> None:
        self._inner = inner
        self._alpha = alpha
        self._vocab = vocab
        self._generator = torch.Generator().manual_seed(seed)
        self._texts: list[list[int]] = []

    def learn(self, tokens: Items[int]) -> None:
        """A prompt with the target's greedy reply."""
        self._texts.append(list(tokens))

    def plan(self, sequence: Sequence) -> Plan:
        return self._inner.plan(sequence)

    def advance(self, sequences: Items[Sequence]) -> None:
        self._inner.advance(sequences)

    def propose(self, sequences: Items[Sequence], depths: Items[int], enough: Items[Enough | None]) -> list[Proposal]:
        drafted = self._inner.propose(sequences, depths, enough)
        return [self._set(sequence, proposal) for sequence, proposal in zip(sequences, drafted, strict=True)]

    def observe(self, sequence: Sequence) -> None:
        self._inner.observe(sequence)

    def release(self, sequence: Sequence) -> None:
        self._inner.release(sequence)

    def _set(self, sequence: Sequence, proposal: Proposal) -> Proposal:
        """Where the text is not known (it left the learnt one, or is past its end) the draft's own tokens stay."""
        depth = len(proposal.tokens)
        right = torch.tensor(self._known(sequence.tokens, depth), dtype=torch.long)
        hit = torch.rand(depth, generator=self._generator)[: len(right)] < self._alpha
        told = torch.where(hit, right, (right + 1) % self._vocab).to(proposal.tokens.device)
        return replace(proposal, tokens=torch.cat((told, proposal.tokens[len(right) :])))

    def _known(self, tokens: list[int], count: int) -> list[int]:
        """The learnt continuation of a text."""
        end = len(tokens)
        return next((text[end : end + count] for text in self._texts if text[:end] == tokens), [])
