"""The tensors behind the block numbers: K and V of every layer, in slabs that consecutive blocks read as a view."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from .blocks import BLOCK_SIZE, BlockTable, Runs, runs


class LayerShape(NamedTuple):
    """What one layer stores for a token."""

    heads: int
    key_dim: int
    value_dim: int


class SlabStore:
    """One slab a layer: K `[heads, slots, key_dim]`, V `[heads, slots, value_dim]`; slot = block * 16 + place."""

    def __init__(self, shapes: Sequence[LayerShape], blocks: int, dtype: torch.dtype, device: torch.device) -> None:
        slots = blocks * BLOCK_SIZE
        self.block_bytes = block_bytes(shapes, dtype)
        self.keys = [torch.empty(s.heads, slots, s.key_dim, dtype=dtype, device=device) for s in shapes]
        self.values = [torch.empty(s.heads, slots, s.value_dim, dtype=dtype, device=device) for s in shapes]

    def write(self, layer: int, slots: Runs, keys: Tensor, values: Tensor) -> None:
        """Store `keys` and `values` `[heads, rows, dim]` at the slots, in order."""
        if len(slots) == 1:
            first, count = slots[0]
            self.keys[layer].narrow(1, first, count).copy_(keys)
            self.values[layer].narrow(1, first, count).copy_(values)
            return
        row = 0
        for first, count in slots:
            self.keys[layer][:, first : first + count] = keys[:, row : row + count]
            self.values[layer][:, first : first + count] = values[:, row : row + count]
            row += count

    def read(self, layer: int, slots: Runs) -> tuple[Tensor, Tensor]:
        """K and V `[heads, length, dim]` of the slots: a view where they are one run, otherwise a copy."""
        keys, values = self.keys[layer], self.values[layer]
        if len(slots) == 1:
            first, count = slots[0]
            return keys[:, first : first + count], values[:, first : first + count]
        return _gather(keys, slots), _gather(values, slots)

    def clear(self, layer: int, slots: Runs) -> None:
        """Zeros at the slots: what nobody wrote may be NaN, which no mask hides."""
        for first, count in slots:
            self.keys[layer][:, first : first + count] = 0
            self.values[layer][:, first : first + count] = 0

    def copy(self, source: int, target: int) -> None:
        """Copy one block, in every layer."""
        a, b = source * BLOCK_SIZE, target * BLOCK_SIZE
        for slab in (*self.keys, *self.values):
            slab[:, b : b + BLOCK_SIZE] = slab[:, a : a + BLOCK_SIZE]


def block_bytes(shapes: Iterable[LayerShape], dtype: torch.dtype) -> int:
    """Bytes that one block takes in all layers together."""
    return sum(s.heads * (s.key_dim + s.value_dim) for s in shapes) * BLOCK_SIZE * dtype.itemsize


def slots(table: BlockTable, start: int, stop: int) -> Runs:
    """Where tokens start .. stop-1 of a sequence lie in the slabs."""
    if stop <= start:
        return ()
    first, last = start // BLOCK_SIZE, (stop - 1) // BLOCK_SIZE
    spans = [[b * BLOCK_SIZE, n * BLOCK_SIZE] for b, n in runs(table.blocks[first : last + 1])]
    skip = start - first * BLOCK_SIZE
    spans[0][0] += skip
    spans[0][1] -= skip
    spans[-1][1] -= (last + 1) * BLOCK_SIZE - stop
    return tuple((a, n) for a, n in spans)


def _gather(slab: Tensor, slots: Runs) -> Tensor:
    return torch.cat([slab[:, first : first + count] for first, count in slots], dim=1)
