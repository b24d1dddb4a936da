"""N-gram drafting, alone or in front of a model: where the text repeats itself its own past is the better draft."""

from __future__ import annotations

from collections.abc import Sequence as Items

import torch

from ..config import MAX_DEPTH
from ..events import DrafterKind
from ..sequence import Sequence
from .base import Drafter, Enough, Plan, Proposal
from .ngram import SHORTEST, NgramIndex

CHAIN_SHORTEST = 3
"""In front of a model a match must be longer: two tokens recur by accident, and the model would do better."""


class NgramDrafter:
    """Drafts by the n-gram index where that has a match, else by `model`, if there is one."""

    def __init__(self, device: torch.device, model: Drafter | None = None) -> None:
        self.kind: DrafterKind = "chain" if model else "ngram"
        self._device = device
        self._model = model
        self._shortest = CHAIN_SHORTEST if model else SHORTEST
        self._indexes: dict[int, NgramIndex] = {}

    def plan(self, sequence: Sequence) -> Plan:
        if self._matches(sequence):
            return Plan("ngram", MAX_DEPTH)
        return self._model.plan(sequence) if self._model else Plan("ngram", 0)

    def advance(self, sequences: Items[Sequence]) -> None:
        if self._model:
            self._model.advance(sequences)

    def propose(self, sequences: Items[Sequence], depths: Items[int], enough: Items[Enough | None]) -> list[Proposal]:
        proposals: dict[int, Proposal] = {}
        rest: list[tuple[Sequence, int, Enough | None]] = []
        for sequence, depth, ends in zip(sequences, depths, enough, strict=True):
            if self._matches(sequence):
                tokens = torch.tensor(self._index(sequence).propose(depth, self._shortest)).to(self._device)
                proposals[sequence.id] = Proposal(tokens, None, torch.ones(depth, device=self._device), "ngram")
            else:
                rest.append((sequence, depth, ends))
        if rest and self._model:
            drafted = self._model.propose([s for s, _, _ in rest], [d for _, d, _ in rest], [e for _, _, e in rest])
            proposals.update((s.id, p) for (s, _, _), p in zip(rest, drafted, strict=True))
        return [proposals[s.id] for s in sequences]

    def observe(self, sequence: Sequence) -> None:
        # Baseline never plans, so it has no index to pay for.
        if sequence.id in self._indexes:
            self._indexes[sequence.id].extend(sequence.tokens)
        if self._model:
            self._model.observe(sequence)

    def release(self, sequence: Sequence) -> None:
        self._indexes.pop(sequence.id, None)
        if self._model:
            self._model.release(sequence)

    def _matches(self, sequence: Sequence) -> bool:
        return self._index(sequence).match(self._shortest)[0] > 0

    def _index(self, sequence: Sequence) -> NgramIndex:
        index = self._indexes.get(sequence.id)
        if index is None:
            index = self._indexes[sequence.id] = NgramIndex()
            index.extend(sequence.tokens)
        return index
