"""What every drafter does, and what it hands over."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence as Items
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from ..events import DrafterKind, DraftSource
from ..sequence import Sequence

Enough = Callable[[float], bool]
"""Told the probability of each token of a draft as it is drawn; True ends the draft behind that token."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Who would draft for a sequence now, and how many tokens at most."""

    source: DraftSource
    limit: int


@dataclass(frozen=True, slots=True)
class Proposal:
    """What one sequence drafts in a cycle."""

    tokens: Tensor
    """`[depth]`, on the device: nothing has been waited for yet."""
    q: Tensor | None
    """`[depth, vocab]`: the law that each was drawn from; None where it is one-hot (greedy, n-gram)."""
    chance: Tensor
    """`[depth]`: the drafter's probability of each; the model's own softmax at temperature 0, 1 for n-grams."""
    source: DraftSource


class Drafter(Protocol):
    """Proposes tokens; keeps what it needs to know of each sequence by its id."""

    @property
    def kind(self) -> DrafterKind: ...

    def plan(self, sequence: Sequence) -> Plan:
        """What a proposal for this sequence would be."""
        ...

    def advance(self, sequences: Items[Sequence]) -> None:
        """Read what the target has read of prompts that go on. Raises OutOfMemory."""
        ...

    def propose(self, sequences: Items[Sequence], depths: Items[int], enough: Items[Enough | None]) -> list[Proposal]:
        """Draft up to `depths[i]` >= 1 tokens for each, fewer where `enough[i]` says so. Raises OutOfMemory."""
        ...

    def observe(self, sequence: Sequence) -> None:
        """The sequence's tokens are decided: forget what is not in them."""
        ...

    def release(self, sequence: Sequence) -> None:
        """The sequence is finished or gives its blocks back."""
        ...
