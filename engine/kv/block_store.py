"""KV as one tensor a block, for devices where a write through a view at an offset may be lost (DirectML).

No tensor is ever written to. Rows that join a block make a new one, from the old block and the new rows, by `cat` and
`index_select` with an index from the CPU; so shapes repeat, and who shares a block keeps what it had.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from .blocks import BLOCK_SIZE, BlockTable
from .pool import LayerShape, block_bytes


class Rebuild(NamedTuple):
    """How one block is made anew."""

    block: int
    places: Tensor
    """`[16]`, on the device: for each place its row in the first block rebuilt and the new rows behind it."""


class BlockStore:
    """For each layer and block a tensor K `[heads, 16, key_dim]` and V `[heads, 16, value_dim]`.

    Blocks share one tensor of zeros until they are written, so memory is taken when it is needed. What lies behind
    the end of a text is zeros or old rows: finite, and hidden by the mask.
    """

    def __init__(self, shapes: Sequence[LayerShape], blocks: int, dtype: torch.dtype, device: torch.device) -> None:
        self.block_bytes = block_bytes(shapes, dtype)
        self._empty = [
            tuple(torch.zeros(s.heads, BLOCK_SIZE, dim, dtype=dtype, device=device) for dim in (s.key_dim, s.value_dim))
            for s in shapes
        ]
        self._held = [tuple([empty] * blocks for empty in layer) for layer in self._empty]

    def write(self, layer: int, rebuilds: Sequence[Rebuild], keys: Tensor, values: Tensor) -> None:
        """Rebuild blocks with new rows `[heads, rows, dim]`."""
        for held, rows in zip(self._held[layer], (keys, values), strict=True):
            source = torch.cat((held[rebuilds[0].block], rows), dim=1)
            for block, places in rebuilds:
                held[block] = source.index_select(1, places)

    def read(self, layer: int, blocks: Sequence[int], width: int) -> tuple[Tensor, Tensor]:
        """K and V `[heads, width * 16, dim]`: the blocks in their order, then zeros."""
        keys, values = (
            torch.cat([*(held[b] for b in blocks), *[empty] * (width - len(blocks))], dim=1)
            for held, empty in zip(self._held[layer], self._empty[layer], strict=True)
        )
        return keys, values

    def copy(self, source: int, target: int) -> None:
        """Copy one block, in every layer: the tensor never changes, so both may hold it."""
        for layer in self._held:
            for held in layer:
                held[target] = held[source]


def rebuilds(table: BlockTable, rows: int, device: torch.device) -> tuple[Rebuild, ...]:
    """How to store the last `rows` tokens of a table, which are the first rows that `write` is given."""
    start = table.length - rows
    first = start // BLOCK_SIZE
    made = []
    for number in range(first, -(-table.length // BLOCK_SIZE)):
        places = range(number * BLOCK_SIZE, (number + 1) * BLOCK_SIZE)
        sources = [_source(place, start, table.length, first) for place in places]
        made.append(Rebuild(table.blocks[number], torch.tensor(sources).to(device)))
    return tuple(made)


def _source(place: int, start: int, stop: int, first: int) -> int:
    if start <= place < stop:
        return BLOCK_SIZE + place - start
    # Of what is neither new nor old any row will do: nobody looks at it.
    return place - first * BLOCK_SIZE if place < start else 0
