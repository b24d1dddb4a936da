"""Random numbers that a cycle which failed gives back: the cycle after it throws the same."""

from __future__ import annotations

import torch
from torch import Tensor


class Dice:
    def __init__(self, seed: int | None) -> None:
        """None draws a seed."""
        self._generator = torch.Generator()
        if seed is None:
            self._generator.seed()
        else:
            self._generator.manual_seed(seed)
        self._drawn: list[float] = []
        """Since the last `settle`; after a `rewind`, numbers that are still to be taken again."""
        self._taken = 0

    def take(self, count: int) -> Tensor:
        """The next numbers `[count]` in [0, 1), on the CPU."""
        missing = self._taken + count - len(self._drawn)
        if missing > 0:
            # As floats: a tensor that could not be copied would have moved the generator on for nothing.
            self._drawn += torch.rand(missing, generator=self._generator).tolist()
        numbers = torch.tensor(self._drawn[self._taken : self._taken + count], dtype=torch.float32)
        self._taken += count
        return numbers

    def settle(self) -> None:
        """What was taken is used up."""
        del self._drawn[: self._taken]
        self._taken = 0

    def rewind(self) -> None:
        """What was taken since `settle` will be taken again."""
        self._taken = 0
